from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_build.augment import Losses
from model_build.training.batches import Batches
from model_build.training.options import TrainingOptions
from stream_worker.bundle import BRANCHES, HEADS
from stream_worker.preprocessing import FEATURES

ONE = FEATURES.index("one")
OPTIONS = TrainingOptions(batch_size=32, epochs=4, losses=Losses(rows=0.5))


@pytest.fixture
def batches(small_set):
    return Batches(small_set, small_set.places("train", "labelled"), OPTIONS, "both", 5)


def same(one, other):
    return all(
        np.array_equal(getattr(a, part)[name], getattr(b, part)[name])
        for a, b in zip(one, other, strict=True)
        for part in ("inputs", "targets", "weights")
        for name in getattr(a, part)
    )


def test_an_epoch_is_the_same_each_time_and_none_like_another(batches):
    assert same(list(batches.epoch(1)), list(batches.epoch(1)))
    one, other = next(batches.epoch(1)), next(batches.epoch(2))
    assert one.inputs["ctio"].shape != other.inputs["ctio"].shape or not same([one], [other])


def test_each_example_comes_once(batches):
    targets = np.concatenate([batch.targets[HEADS[1]] for batch in batches.epoch(1)])
    np.testing.assert_array_equal(targets.sum(axis=0), [80, 80, 80])
    assert len(list(batches.epoch(1))) == batches.steps


def test_observations_are_lost_at_random_the_newest_never(batches, small_set):
    whole = replace(batches, options=replace(OPTIONS, losses=Losses(0.0, 0.0, 0.0)))
    seen, all_rows = (
        sum(int(batch.inputs[b][..., ONE].sum()) for batch in which.epoch(1) for b in BRANCHES)
        for which in (batches, whole)
    )
    assert 0.6 < seen / all_rows < 0.9
    assert all_rows == small_set.lengths[batches.places].sum()


def test_weights_balance_the_classes(batches, small_set):
    found = list(batches.epoch(1))
    weights = np.concatenate([batch.weights[HEADS[1]] for batch in found])
    labels = np.concatenate([batch.targets[HEADS[1]].argmax(axis=1) for batch in found])
    np.testing.assert_allclose([weights[labels == k].sum() for k in range(3)], 80.0, rtol=1e-6)
    review = np.concatenate([batch.weights[HEADS[0]] for batch in found])
    np.testing.assert_allclose(review[labels == 2].sum(), review[labels != 2].sum(), rtol=1e-6)


def test_classes_are_balanced_over_what_is_trained_on(batches, small_set):
    labels = small_set.labels[batches.places]
    fewer = batches.places[(labels != 2) | (np.arange(labels.size) % 4 == 0)]
    found = list(replace(batches, places=fewer).epoch(1))
    weights = np.concatenate([batch.weights[HEADS[1]] for batch in found])
    its = np.concatenate([batch.targets[HEADS[1]].argmax(axis=1) for batch in found])
    np.testing.assert_allclose([weights[its == k].sum() for k in range(3)], fewer.size / 3, rtol=1e-6)
    with pytest.raises(ValueError, match="every one of 3 classes"):
        next(replace(batches, places=batches.places[labels != 1]).epoch(1))


def test_a_head_that_is_not_trained_has_no_weight(batches):
    binary = next(replace(batches, task="binary").epoch(1))
    assert not binary.weights[HEADS[1]].any()
    assert binary.weights[HEADS[0]].all()


def test_smoothed_targets_still_sum_to_one(batches):
    batch = next(replace(batches, options=replace(OPTIONS, label_smoothing=0.3)).epoch(1))
    np.testing.assert_allclose(batch.targets[HEADS[1]].sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(np.unique(batch.targets[HEADS[1]]), [0.1, 0.8], rtol=1e-5)


def test_tensorflow_gets_the_same(batches):
    inputs, targets, weights = next(iter(batches.dataset(2)))
    expected = next(batches.epoch(2))
    for branch in BRANCHES:
        np.testing.assert_array_equal(inputs[branch].numpy(), expected.inputs[branch])
    for head in HEADS:
        np.testing.assert_array_equal(targets[head].numpy(), expected.targets[head])
        np.testing.assert_array_equal(weights[head].numpy(), expected.weights[head])
