from __future__ import annotations

import numpy as np
import pytest
from support.truth_rows import truth_row

from model_build.bootstrap import Resampling
from model_build.evaluation.accuracy import (
    binary_accuracy,
    binary_at_mix,
    binary_statistic,
    ceiling,
    difference,
    multiclass_accuracy,
)
from model_build.evaluation.scored import Scored
from stream_worker.bundle import CLASSES

KIND = {"yes": "event", "maybe": "bleed", "no": "mira"}


def scored(labels, p_review, said, **other):
    """Stars with labels, scores and likeliest classes."""
    rows = tuple(truth_row(n, KIND[label], label, **other) for n, label in enumerate(labels))
    probabilities = np.eye(3)[[CLASSES.index(one) for one in said]] * 0.7 + 0.1
    return Scored(rows, np.array(p_review, float), probabilities, np.full((len(rows), 3), 100))


def test_means_are_unweighted_over_the_classes():
    its = scored(
        ["yes", "yes", "maybe", "no", "no", "no"],
        [0.9, 0.2, 0.6, 0.1, 0.6, 0.2],
        ["yes", "maybe", "maybe", "no", "yes", "no"],
    )
    resampling = Resampling(its.clusters, 1, 200)
    binary = binary_accuracy(resampling, its, 0.6)
    assert binary.of["positive"].value == pytest.approx(2 / 3)
    assert binary.of["no"].value == pytest.approx(2 / 3)
    assert binary.mean.value == pytest.approx(2 / 3)
    assert binary.n == {"positive": 3, "no": 3}
    classes = multiclass_accuracy(resampling, its)
    assert [classes.of[name].value for name in CLASSES] == pytest.approx([1 / 2, 1, 2 / 3])
    assert classes.mean.value == pytest.approx((1 / 2 + 1 + 2 / 3) / 3)
    assert classes.n == {"yes": 2, "maybe": 1, "no": 3}
    assert classes.mean.low < classes.mean.value < classes.mean.high


def test_a_class_that_is_not_there_is_left_out_of_the_mean():
    its = scored(["yes", "no", "no"], [0.9, 0.2, 0.6], ["yes", "no", "yes"])
    classes = multiclass_accuracy(Resampling(its.clusters, 1, 50), its)
    assert classes.mean.value == pytest.approx(0.75)
    assert np.isnan(classes.of["maybe"].value)


def test_one_side_alone_is_refused():
    its = scored(["yes", "maybe"], [0.9, 0.2], ["yes", "no"])
    with pytest.raises(ValueError, match="2 of 2 positive"):
        binary_accuracy(Resampling(its.clusters, 1, 50), its, 0.5)


def test_the_ratio_is_to_what_the_hidden_truth_gives():
    """Kinds decide all labels, so that the ceiling is 1 and the ratio the accuracy itself."""
    labels = list(CLASSES) * 40
    rng = np.random.default_rng(1)
    right = rng.random(len(labels)) < 0.8
    said = [label if ok else "no" for label, ok in zip(labels, right, strict=True)]
    p = [0.9 if (label != "no") == bool(ok) else 0.1 for label, ok in zip(labels, right, strict=True)]
    its = scored(labels, p, said)
    resampling = Resampling(its.clusters, 1, 200)
    found = ceiling(resampling, its, 0.5, 1)
    assert found.binary.mean.value == found.multiclass.mean.value == 1.0
    assert found.binary_ratio == binary_accuracy(resampling, its, 0.5).mean
    assert found.multiclass_ratio == multiclass_accuracy(resampling, its).mean
    few = scored(["yes", "no"], [0.9, 0.1], ["yes", "no"])
    assert "fewer than 5" in ceiling(Resampling(few.clusters, 1, 20), few, 0.5, 1).fault


def test_a_difference_of_the_same_candidates_is_paired():
    rng = np.random.default_rng(3)
    labels = np.array([0, 2] * 200)
    one = (rng.random(400) < 0.7) == (labels == 0)
    better = one | (rng.random(400) < 0.1) & (labels == 0)
    resampling, other = Resampling(np.arange(400), 1), Resampling(np.arange(400), 2)
    statistic = binary_statistic(resampling, better, labels)[0]
    paired = difference(statistic, binary_statistic(resampling, one, labels)[0])
    apart = difference(statistic, binary_statistic(other, one, labels)[0])
    assert paired.value == apart.value > 0.0
    assert paired.low > 0.0
    assert paired.high - paired.low < 0.6 * (apart.high - apart.low)


def test_seasons_of_other_shares_of_maybe_are_compared_at_one():
    labels = ["yes"] * 3 + ["maybe"] + ["no"] * 2
    its = scored(labels, [0.9, 0.9, 0.9, 0.1, 0.1, 0.9], labels)
    resampling, passed = Resampling(its.clusters, 1, 50), its.p_review >= 0.5
    own = binary_statistic(resampling, passed, its.labels)[0]
    assert binary_at_mix(resampling, passed, its.labels, 0.25)[0] == pytest.approx(own[0])
    assert binary_at_mix(resampling, passed, its.labels, 0.5)[0] == pytest.approx((0.5 + 0.5) / 2)
    without = scored(["yes", "no"], [0.9, 0.1], ["yes", "no"])
    alone = Resampling(without.clusters, 1, 50)
    assert binary_at_mix(alone, without.p_review >= 0.5, without.labels, 0.0)[0] == pytest.approx(1.0)
