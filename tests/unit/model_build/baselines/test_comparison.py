from __future__ import annotations

import numpy as np
import pytest

from model_build.baselines.comparison import HeldOut, Predictions, lead, measure
from model_build.bootstrap import Resampling
from stream_worker.scoring import Scores


def scores(labels, wrong, threshold=0.3):
    """Right but for those ``wrong``; above the threshold only by a little."""
    positive = (labels != 2) ^ wrong
    said = np.where(wrong, (labels + 1) % 3, labels)
    return Scores(np.where(positive, threshold + 0.05, threshold - 0.05), np.eye(3)[said])


@pytest.fixture
def held():
    labels = np.arange(300) % 3
    return HeldOut(labels, labels, np.arange(300) // 6)


def measured(held, share, seed=0):
    wrong = np.random.default_rng(seed).random(held.test.size) < share
    none = np.zeros(held.validation.size, bool)
    found = Predictions(scores(held.validation, none), scores(held.test, wrong))
    return measure(found, held, Resampling(held.clusters, 1)), wrong


def test_the_threshold_is_validations_and_the_accuracy_tests(held):
    its, wrong = measured(held, 0.2)
    assert 0.25 < its.threshold <= 0.35
    positive = held.test != 2
    expected = 1.0 - (wrong[positive].mean() + wrong[~positive].mean()) / 2
    assert its.binary.value == pytest.approx(expected)
    of = [1.0 - wrong[held.test == place].mean() for place in range(3)]
    assert its.multiclass.value == pytest.approx(np.mean(of))
    assert [one.value for one in its.recall.values()] == pytest.approx(of)
    assert its.binary.low < its.binary.value < its.binary.high


def test_scores_of_the_test_split_move_no_threshold(held):
    none = np.zeros(held.test.size, bool)
    shifted = Predictions(scores(held.validation, none), scores(held.test, none, threshold=0.8))
    its = measure(shifted, held, Resampling(held.clusters, 1))
    assert its.threshold <= 0.35
    assert its.binary.value == pytest.approx(0.5)


def test_a_lead_is_paired(held):
    good, bad = measured(held, 0.1)[0], measured(held, 0.3, seed=1)[0]
    same = lead(good, good)
    assert (same.binary.low, same.binary.value, same.binary.high) == (0.0, 0.0, 0.0)
    found = lead(good, bad)
    assert found.binary.value == pytest.approx(good.binary.value - bad.binary.value)
    assert found.binary.low > 0.0
    assert found.multiclass.low > 0.0
    assert lead(bad, good).binary.high < 0.0
