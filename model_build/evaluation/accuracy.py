"""Accuracies of both tasks with intervals, at any threshold, and against what hidden truth allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_build.bootstrap import Estimate, Resampling, estimate, shares
from model_build.evaluation.scored import Scored
from model_build.metrics import NO
from model_build.season.ceiling import cross_validated, truth_features
from stream_worker.bundle import CLASSES
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array

SIDES = ("positive", "no")
"""Yes and Maybe pooled, against No."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Mean accuracy, unweighted over the classes, and that of each class; how many there are of each."""

    mean: Estimate
    of: Mapping[str, Estimate]
    n: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Ceiling:
    """What a classifier that knows the hidden truth up to t_cut reaches on the same candidates.

    ``ratio`` is the network's mean accuracy over the ceiling's, paired; ``fault`` tells why there is none.
    """

    binary: Accuracy | None
    multiclass: Accuracy | None
    binary_ratio: Estimate | None
    multiclass_ratio: Estimate | None
    fault: str | None = None


def binary_statistic(
    resampling: Resampling, passed: BoolArray, labels: NDArray[np.int64]
) -> tuple[Float64Array, Float64Array]:
    """Mean accuracy [1 + draws] of the binary decision, and that of each of `SIDES` [1 + draws, 2].

    Raises
    ------
    ValueError
        If there are no candidates of a side.
    """
    side = (labels == NO).astype(np.intp)
    _require_both(side)
    return _balanced(resampling, passed == (labels != NO), side, len(SIDES))


def binary_at_mix(
    resampling: Resampling, passed: BoolArray, labels: NDArray[np.int64], maybe_share: float
) -> Float64Array:
    """Mean accuracy [1 + draws] of the binary decision where ``maybe_share`` of the positives are Maybe.

    Seasons differ in that share, and Maybes are the harder half: only at one share are they compared.
    """
    of = _balanced(resampling, passed == (labels != NO), labels, len(CLASSES))[1]
    shares_of = np.array([1.0 - maybe_share, maybe_share])
    positive = np.where(shares_of > 0, of[:, :NO] * shares_of, 0.0).sum(axis=1)
    return np.asarray((positive + of[:, NO]) / 2, np.float64)


def multiclass_statistic(
    resampling: Resampling, predicted: NDArray[np.int64], labels: NDArray[np.int64]
) -> tuple[Float64Array, Float64Array]:
    """Mean accuracy [1 + draws] over the classes there are, and that of each of `CLASSES` [1 + draws, 3]."""
    return _balanced(resampling, predicted == labels, labels, len(CLASSES))


def binary_accuracy(resampling: Resampling, scored: Scored, threshold: float) -> Accuracy:
    """Accuracy of "p_review at or above the threshold"; raises as `binary_statistic`."""
    labels = scored.labels
    mean, of = binary_statistic(resampling, scored.p_review >= threshold, labels)
    n_no = int(np.sum(labels == NO))
    return _accuracy(mean, of, SIDES, (labels.size - n_no, n_no))


def multiclass_accuracy(resampling: Resampling, scored: Scored) -> Accuracy:
    """Accuracy of the likeliest class."""
    labels = scored.labels
    mean, of = multiclass_statistic(resampling, scored.class_probabilities.argmax(axis=1), labels)
    return _accuracy(mean, of, CLASSES, np.bincount(labels, minlength=len(CLASSES)).tolist())


def ceiling(resampling: Resampling, scored: Scored, threshold: float, seed: int) -> Ceiling:
    """Cross-validate the oracle on labelled candidates, and compare; blocks for up to a minute.

    See `model_build.season.ceiling.oracle_ceiling`.
    """
    labels = scored.labels
    try:
        probability = cross_validated(
            truth_features(scored.rows), [CLASSES[label] for label in labels], scored.clusters, seed
        )
    except ValueError as error:
        return Ceiling(None, None, None, None, str(error))
    oracle = Scored(scored.rows, probability[:, :NO].sum(axis=1), probability, scored.observations)
    binary, multiclass = binary_accuracy(resampling, oracle, 0.5), multiclass_accuracy(resampling, oracle)
    binary_ratio = (
        binary_statistic(resampling, scored.p_review >= threshold, labels)[0]
        / binary_statistic(resampling, oracle.p_review >= 0.5, labels)[0]
    )
    multiclass_ratio = (
        multiclass_statistic(resampling, scored.class_probabilities.argmax(axis=1), labels)[0]
        / multiclass_statistic(resampling, probability.argmax(axis=1), labels)[0]
    )
    return Ceiling(binary, multiclass, estimate(binary_ratio), estimate(multiclass_ratio))


def difference(one: Float64Array, other: Float64Array) -> Estimate:
    """Return ``one`` - ``other`` of statistics [1 + draws].

    Their draws are taken in pairs: of the same candidates resampled alike that pairs them, of different
    ones resampled with seeds of their own it is the interval of independent samples.
    """
    return estimate(one - other)


def _balanced(
    resampling: Resampling, right: BoolArray, y: NDArray[np.int64], classes: int
) -> tuple[Float64Array, Float64Array]:
    of = shares(resampling.histogram(y, classes, right), resampling.histogram(y, classes))
    there = np.isfinite(of)
    return np.where(there, of, 0.0).sum(axis=1) / there.sum(axis=1), of


def _accuracy(mean: Float64Array, of: Float64Array, names: tuple[str, ...], n: tuple[int, ...]) -> Accuracy:
    return Accuracy(
        estimate(mean),
        {name: estimate(of[:, place]) for place, name in enumerate(names)},
        dict(zip(names, n, strict=True)),
    )


def _require_both(side: NDArray[np.intp]) -> None:
    if not side.size or side.all() or not side.any():
        raise ValueError(
            f"need candidates of both sides, got {int((side == 0).sum())} of {side.size} positive"
        )
