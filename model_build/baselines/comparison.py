"""Accuracies on the test split, and by how much one classifier leads another on the same stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_build.bootstrap import Estimate, Resampling, estimate
from model_build.evaluation.accuracy import binary_statistic, difference, multiclass_statistic
from model_build.evaluation.splits import LABELLED
from model_build.evaluation.sweep import sweep_thresholds
from model_build.training_set.reader import TrainingSet
from stream_worker.bundle import CLASSES
from stream_worker.preprocessing.light_curve import Float64Array, IntArray
from stream_worker.scoring import Scores


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Scores of the labelled stars of two splits, in the order of ``places(split, "labelled")``."""

    validation: Scores
    test: Scores


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Labels (places in `CLASSES`) of both splits' stars, and the clusters of those of the test split."""

    validation: IntArray
    test: IntArray
    clusters: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Mean accuracies on the test split [1 + draws], and of each class of three [1 + draws, 3].

    ``threshold`` of p_review is the one that is best on the validation split.
    """

    threshold: float
    binary_draws: Float64Array
    multiclass_draws: Float64Array
    of_draws: Float64Array

    @property
    def binary(self) -> Estimate:
        """Mean accuracy of Yes and Maybe against No."""
        return estimate(self.binary_draws)

    @property
    def multiclass(self) -> Estimate:
        """Mean accuracy of three classes."""
        return estimate(self.multiclass_draws)

    @property
    def recall(self) -> dict[str, Estimate]:
        """Share of each class whose likeliest class is its own."""
        return {name: estimate(self.of_draws[:, place]) for place, name in enumerate(CLASSES)}


@dataclass(frozen=True, slots=True)
class Lead:
    """By how much a network's mean accuracies are above a baseline's, paired by cluster."""

    binary: Estimate
    multiclass: Estimate


def held_out(training_set: TrainingSet) -> HeldOut:
    """Take what the baselines are measured on from a training set."""
    validation, test = (training_set.places(split, LABELLED) for split in ("validation", "test"))
    return HeldOut(
        np.asarray(training_set.labels[validation]),
        np.asarray(training_set.labels[test]),
        np.asarray(training_set.clusters[test]),
    )


def measure(predictions: Predictions, held: HeldOut, resampling: Resampling) -> Measured:
    """Choose the threshold on validation and measure on test.

    Parameters
    ----------
    resampling
        Of ``held.clusters``; the same one for all that are to be compared.

    Raises
    ------
    ValueError
        If a split has no stars of a side.
    """
    threshold = sweep_thresholds(predictions.validation.p_review, held.validation).best()
    binary, _ = binary_statistic(resampling, predictions.test.p_review >= threshold, held.test)
    predicted = predictions.test.class_probabilities.argmax(axis=1)
    multiclass, of = multiclass_statistic(resampling, predicted, held.test)
    return Measured(threshold, binary, multiclass, of)


def lead(network: Measured, baseline: Measured) -> Lead:
    """Return the network's lead; both measured with one resampling."""
    return Lead(
        difference(network.binary_draws, baseline.binary_draws),
        difference(network.multiclass_draws, baseline.multiclass_draws),
    )
