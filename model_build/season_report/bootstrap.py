"""Intervals of balanced accuracies by resampling whole clusters of stars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_build.bootstrap import DRAWS, Resampling, interval, shares
from model_build.season.ceiling import CLASSES
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray


@dataclass(frozen=True, slots=True)
class Intervals:
    """Two-sided 95 % intervals (low, high) of the two- and three-class balanced accuracies."""

    two_class: tuple[float, float]
    three_class: tuple[float, float]


def balanced_intervals(
    probability: Float64Array, labels: Sequence[str], clusters: IntArray, seed: int, draws: int = DRAWS
) -> Intervals:
    """Return percentile intervals from ``draws`` resamplings of the clusters.

    Parameters
    ----------
    probability : float64 [n, 3]
        Of `CLASSES`; decisions are made as in `model_build.season.ceiling.score`.
    labels
        n of `CLASSES`.
    clusters : int [n]
        Stars that are drawn together share a number.
    """
    y = np.array([CLASSES.index(label) for label in labels])
    right_of_three = np.argmax(probability, axis=1) == y
    right_of_two = (probability[:, :2].sum(axis=1) >= 0.5) == (y < 2)
    resampling = Resampling(clusters, seed, draws)
    return Intervals(
        _ends(balanced(resampling, right_of_two, (y == 2).astype(np.intp), 2)),
        _ends(balanced(resampling, right_of_three, y, len(CLASSES))),
    )


def balanced(resampling: Resampling, right: BoolArray, y: IntArray, classes: int) -> Float64Array:
    """Mean over the classes of the share right, [1 + draws]; a class not drawn is left out."""
    share = shares(resampling.histogram(y, classes, right), resampling.histogram(y, classes))
    return np.asarray(np.nanmean(share, axis=1), dtype=np.float64)


def _ends(statistic: Float64Array) -> tuple[float, float]:
    low, high = interval(statistic[1:])
    return float(low), float(high)
