"""Intervals by resampling whole clusters of stars, with replacement."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stream_worker.preprocessing.light_curve import Float64Array, IntArray

DRAWS: Final = 1000
ENDS: Final = (2.5, 97.5)
"""Percentiles of a two-sided 95 % interval."""
_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its two-sided 95 % interval; NaN where there was nothing to count."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if not np.isfinite(self.value):
            return "\N{EN DASH}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    def as_json(self) -> dict[str, Any]:
        """Value and interval; None for NaN."""
        ends = [known(self.low), known(self.high)]
        return {"value": known(self.value), "interval": ends}


class Resampling:
    """Draws of the clusters of some candidates.

    All totals are counted on the same draws, so that statistics of the same candidates are paired.

    Parameters
    ----------
    clusters : int [n]
        Candidates that are drawn together share a number.
    seed
        Equal clusters and seeds give equal draws.

    Raises
    ------
    ValueError
        If there are no candidates.
    """

    def __init__(self, clusters: IntArray, seed: int, draws: int = DRAWS) -> None:
        if not len(clusters):
            raise ValueError("no candidates to resample")
        _, self.cluster = np.unique(clusters, return_inverse=True)
        self.n_clusters = int(self.cluster.max()) + 1
        rng, chances = np.random.default_rng(seed), np.full(self.n_clusters, 1.0 / self.n_clusters)
        self._times = np.concatenate(
            [
                rng.multinomial(self.n_clusters, chances, size=min(_AT_ONCE, draws - start)).astype(np.uint16)
                for start in range(0, draws, _AT_ONCE)
            ]
        )

    def part(self, places: IntArray) -> Resampling:
        """Return the resampling of the candidates at ``places`` alone, by the same draws of clusters."""
        part = copy(self)
        part.cluster = self.cluster[places]
        return part

    def totals(self, values: ArrayLike) -> Float64Array:
        """Sum values [n] or [n, k] over the candidates: float64 [1 + draws, k].

        Row 0 is of the candidates as they are, each further row of one draw.
        """
        columns = np.asarray(values, dtype=np.float64).reshape(self.cluster.size, -1)
        order = np.argsort(self.cluster, kind="stable")
        present, starts = np.unique(self.cluster[order], return_index=True)
        by_cluster = np.zeros((self.n_clusters, columns.shape[1]))
        by_cluster[present] = np.add.reduceat(columns[order], starts, axis=0)
        return self._drawn(by_cluster)

    def histogram(self, bins: IntArray, n_bins: int, weights: ArrayLike | None = None) -> Float64Array:
        """Count the candidates in each of ``n_bins`` bins [n]: float64 [1 + draws, n_bins], as `totals`."""
        cell = self.cluster * n_bins + bins
        size = self.n_clusters * n_bins
        counts = np.bincount(cell, None if weights is None else np.asarray(weights, np.float64), size)
        return self._drawn(counts.astype(np.float64).reshape(-1, n_bins))

    def weights(self) -> NDArray[np.uint16]:
        """How often each candidate is drawn, [draws, n]; large where there are many."""
        return self._times[:, self.cluster]

    def _drawn(self, by_cluster: Float64Array) -> Float64Array:
        """Sum [clusters, k] over the clusters as they are and as drawn."""
        parts = [by_cluster.sum(axis=0, keepdims=True)]
        parts += [
            self._times[start : start + _AT_ONCE].astype(np.float64) @ by_cluster
            for start in range(0, len(self._times), _AT_ONCE)
        ]
        return np.concatenate(parts)


def shares(hits: Float64Array, of: Float64Array) -> Float64Array:
    """Divide totals; NaN where there is nothing to divide by."""
    hits, of = np.broadcast_arrays(hits, of)
    found = np.full(hits.shape, np.nan)
    np.divide(hits, of, out=found, where=of > 0)
    return found


def estimate(statistic: Float64Array) -> Estimate:
    """Return a statistic [1 + draws] as `Resampling.totals` orders it with its interval.

    Draws in which it is not defined are left out.
    """
    low, high = interval(statistic[1:])
    return Estimate(float(statistic[0]), float(low), float(high))


def interval(draws: Float64Array) -> Float64Array:
    """Percentiles [2, ...] of draws [d, ...], those that are NaN left out; NaN of none."""
    if np.isfinite(draws).all():
        return np.asarray(np.percentile(draws, ENDS, axis=0), dtype=np.float64)
    undefined = np.isnan(draws).all(axis=0)
    known_draws = np.where(undefined, 0.0, draws)
    return np.asarray(np.where(undefined, np.nan, np.nanpercentile(known_draws, ENDS, axis=0)), np.float64)


def known(value: float) -> float | None:
    """Return the value as JSON has it: None for NaN and infinities."""
    return float(value) if np.isfinite(value) else None
