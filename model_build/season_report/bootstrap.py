"""Intervals of balanced accuracies by resampling whole clusters of stars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model_build.season.ceiling import CLASSES
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray

DRAWS: Final = 1000
_ENDS: Final = (2.5, 97.5)
_AT_ONCE: Final = 100


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
    _, cluster = np.unique(clusters, return_inverse=True)
    right_of_three = np.argmax(probability, axis=1) == y
    right_of_two = (probability[:, :2].sum(axis=1) >= 0.5) == (y < 2)
    three = _by_cluster(right_of_three, y, cluster, len(CLASSES))
    two = _by_cluster(right_of_two, (y == 2).astype(np.intp), cluster, 2)
    rng, n = np.random.default_rng(seed), int(cluster.max()) + 1
    found: list[tuple[Float64Array, Float64Array]] = []
    for start in range(0, draws, _AT_ONCE):
        times = rng.multinomial(n, np.full(n, 1.0 / n), size=min(_AT_ONCE, draws - start))
        found.append((_balanced(times, *two), _balanced(times, *three)))
    two_class, three_class = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Intervals(_ends(two_class), _ends(three_class))


def _by_cluster(
    right: BoolArray, y: IntArray, cluster: IntArray, classes: int
) -> tuple[Float64Array, Float64Array]:
    """Stars right and all stars of each cluster and class, float64 [clusters, classes] each."""
    cell, size = cluster * classes + y, (int(cluster.max()) + 1) * classes
    sums = (np.bincount(cell, weights=weights, minlength=size) for weights in (right, np.ones(right.size)))
    hits, stars = (total.astype(np.float64).reshape(-1, classes) for total in sums)
    return hits, stars


def _balanced(times: NDArray[np.int64], right: Float64Array, stars: Float64Array) -> Float64Array:
    """Mean over the classes of the share right, in each resampling; a class not drawn is left out."""
    hits, of = times @ right, times @ stars
    share = np.divide(hits, of, out=np.full(hits.shape, np.nan), where=of > 0)
    return np.asarray(np.nanmean(share, axis=1), dtype=np.float64)


def _ends(values: Float64Array) -> tuple[float, float]:
    low, high = np.percentile(values, _ENDS)
    return float(low), float(high)
