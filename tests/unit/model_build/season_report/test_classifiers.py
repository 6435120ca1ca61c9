from __future__ import annotations

import numpy as np
import pytest

from model_build.season.ceiling import CLASSES, score
from model_build.season_report.bootstrap import balanced_intervals
from model_build.season_report.classifiers import (
    INPUTS,
    Classifiers,
    Result,
    classifier_section,
    run_classifiers,
)
from model_build.season_report.measures import Features

N = 60
KIND = {"yes": "event", "maybe": "bleed", "no": "mira"}


def guesses(labels, right, rng):
    """Probabilities that are right for a share of the labels."""
    y = np.array([CLASSES.index(label) for label in labels])
    said = np.where(rng.random(y.size) < right, y, rng.integers(0, 3, y.size))
    return np.eye(3)[said]


@pytest.mark.parametrize("right", [0.0, 0.5, 0.9])
def test_intervals_hold_the_value_and_have_the_width_of_a_binomial(right):
    rng = np.random.default_rng(1)
    labels = list(CLASSES) * 300
    probability = guesses(labels, right, rng)
    found = balanced_intervals(probability, labels, np.arange(900), 1)
    point = score(probability, labels)
    for (low, high), value in (
        (found.two_class, point.two_class_balanced),
        (found.three_class, point.three_class_balanced),
    ):
        assert low < value < high
    p = point.three_class
    assert found.three_class[1] - found.three_class[0] == pytest.approx(
        3.92 * np.sqrt(p * (1 - p) / 900), rel=0.15
    )


def test_siblings_say_no_more_than_one_of_them():
    rng = np.random.default_rng(2)
    labels = list(CLASSES) * 60
    probability = guesses(labels, 0.5, rng)
    alone = balanced_intervals(probability, labels, np.arange(180), 1)
    copied = balanced_intervals(
        np.repeat(probability, 9, axis=0), np.repeat(labels, 9), np.repeat(np.arange(180), 9), 1
    )
    assert copied.three_class == pytest.approx(alone.three_class)
    torn = balanced_intervals(np.repeat(probability, 9, axis=0), np.repeat(labels, 9), np.arange(1620), 1)
    assert np.ptp(torn.two_class) < 0.5 * np.ptp(copied.two_class)


def test_intervals_repeat_and_know_a_perfect_classifier():
    labels = list(CLASSES) * 5
    found = balanced_intervals(guesses(labels, 1.0, np.random.default_rng(0)), labels, np.arange(15) // 3, 4)
    assert found.two_class == found.three_class == (1.0, 1.0)
    noise = guesses(labels, 0.3, np.random.default_rng(0))
    one, again, other = (balanced_intervals(noise, labels, np.arange(15), seed) for seed in (1, 1, 2))
    assert one == again != other


@pytest.fixture
def features(make_row):
    """Kinds decide the labels, the light curves say something, date and counts nothing."""
    rng = np.random.default_rng(3)
    rows = tuple(
        make_row(i, KIND[CLASSES[i % 3]], CLASSES[i % 3], i_base=18.0 + rng.random()) for i in range(N)
    )
    signal = np.array([[i % 3] for i in range(N)]) + rng.normal(0.0, 0.7, (N, 1))
    return Features(rows, signal, rng.normal(size=(N, 2)), rng.normal(size=(N, 2)))


def test_the_ceiling_is_above_and_date_and_counts_are_near_chance(features):
    told = []
    found = run_classifiers(features, lambda *step: told.append(step))
    numbers = found.numbers()
    accuracy = {name: numbers[name]["three_class_balanced"] for name in ("classical", "auxiliary", "oracle")}
    assert accuracy["oracle"] == 1.0
    assert 0.5 < accuracy["classical"] < 1.0
    assert accuracy["auxiliary"] < 0.5
    assert numbers["date_and_counts_near_chance"]
    assert "WARNING" not in classifier_section(found).body
    assert told[0][1:] == (0, 4)
    assert told[-1][1:] == (4, 4)


def test_classes_told_apart_by_their_dates_are_flagged():
    labels = list(CLASSES) * 40
    told = {}
    for right in (0.0, 0.4):
        probability = guesses(labels, right, np.random.default_rng(5))
        result = Result(
            score(probability, labels), balanced_intervals(probability, labels, np.arange(120), 1)
        )
        told[right] = Classifiers(120, dict.fromkeys(INPUTS, result))
    assert told[0.0].numbers()["date_and_counts_near_chance"]
    assert "WARNING" not in classifier_section(told[0.0]).body
    assert not told[0.4].numbers()["date_and_counts_near_chance"]
    assert "WARNING: date and numbers of observations tell" in classifier_section(told[0.4]).body


def test_too_few_stars_are_told_not_guessed(features, silent):
    few = Features(
        features.rows[:6], *(x[:6] for x in (features.classical, features.auxiliary, features.auxiliary))
    )
    found = run_classifiers(few, silent)
    assert found.numbers() == {"n": 6, "fault": "fewer than 5 clusters of class yes, maybe, no"}
    assert "Not trained: fewer than 5 clusters" in classifier_section(found).body
    assert "no labelled candidates" in run_classifiers(None, silent).numbers()["fault"]
