"""Batches of examples of similar length, drawn anew each epoch, the same for the same seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_build.augment import lose
from model_build.dataset import bucketed_batches, class_weights
from model_build.metrics import NO
from model_build.training.options import Task, TrainingOptions
from model_build.training_set.reader import TrainingSet
from model_build.training_set.split import IntArray
from stream_worker.batching import Branches
from stream_worker.bundle import BRANCHES, CLASSES, HEADS
from stream_worker.preprocessing import FEATURES
from stream_worker.scoring import pad

_ORDER, _LOSS = 0, 1  # streams of random numbers within an epoch


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Padded inputs float32 [n, time, 12] by branch, targets [n, 1] and [n, 3], weights [n] by head."""

    inputs: dict[str, NDArray[np.float32]]
    targets: dict[str, NDArray[np.float32]]
    weights: dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Batches:
    """The examples to train on, epoch by epoch.

    Parameters
    ----------
    of, places
        Training set, and where its examples to train on are; classes are weighted by their numbers there.
    task
        Heads that are trained: the others' weights are 0.

    Raises
    ------
    ValueError
        If the examples lack a class.
    """

    of: TrainingSet
    places: IntArray
    options: TrainingOptions
    task: Task
    seed: int

    def __post_init__(self) -> None:
        _ = self._weights  # before the work, where its error would come out as TensorFlow's

    @cached_property
    def _weights(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of No and the rest [2], and of each of `CLASSES` [3]."""
        labels = self.of.labels[self.places]
        return class_weights((labels != NO).astype(np.int64), 2), class_weights(labels, len(CLASSES))

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return -(-self.places.size // self.options.batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, counted from 1, each example once; all data lost anew."""
        options = self.options
        lengths = self.of.lengths[self.places]
        rng = np.random.default_rng((self.seed, number, _ORDER))
        for which, batch in enumerate(bucketed_batches(lengths.max(axis=1), options.batch_size, rng)):
            chance = np.random.default_rng((self.seed, number, _LOSS, which))
            examples = [
                lose(self.of.branches(place), options.losses, chance) for place in self.places[batch].tolist()
            ]
            yield self.batch(examples, self.of.labels[self.places[batch]])

    def batch(self, examples: list[Branches], labels: IntArray) -> Batch:
        """Pad examples and weigh them by class, N / (K n_c) (Viaña et al. 2025, sec. 7)."""
        inputs = pad(examples)
        reviewed = (labels != NO).astype(np.int64)
        classes = np.eye(len(CLASSES), dtype=np.float32)[labels]
        smooth = self.options.label_smoothing
        of_review, of_classes = self._weights
        weights = (
            of_review[reviewed] * (self.task != "multiclass"),
            of_classes[labels] * (self.task != "binary"),
        )
        return Batch(
            inputs={branch: inputs[branch] for branch in BRANCHES},
            targets={
                HEADS[0]: reviewed[:, np.newaxis].astype(np.float32),
                HEADS[1]: (1.0 - smooth) * classes + np.float32(smooth / len(CLASSES)),
            },
            weights={head: of_head.astype(np.float32) for head, of_head in zip(HEADS, weights, strict=True)},
        )

    def dataset(self, number: int) -> Any:
        """Return an epoch as a `tf.data.Dataset`, read ahead while the network learns."""
        import tensorflow as tf

        series = {b: tf.TensorSpec((None, None, len(FEATURES)), tf.float32) for b in BRANCHES}
        targets = {HEADS[0]: tf.TensorSpec((None, 1)), HEADS[1]: tf.TensorSpec((None, len(CLASSES)))}
        weights = {head: tf.TensorSpec((None,)) for head in HEADS}

        def batches() -> Iterator[Any]:
            for batch in self.epoch(number):
                yield batch.inputs, batch.targets, batch.weights

        found = tf.data.Dataset.from_generator(batches, output_signature=(series, targets, weights))
        return found.apply(tf.data.experimental.assert_cardinality(self.steps)).prefetch(4)
