"""What a threshold costs and finds in a natural stream: false alerts a night against completeness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray

_ENDS = (2.5, 97.5)


@dataclass(frozen=True, slots=True, eq=False)
class StreamCurve:
    """At each threshold, float64 [m], with two-sided 95 % intervals (low, high), float64 [m, 2].

    Parameters
    ----------
    thresholds
        As asked for.
    false_per_night
        Stars without an event that ever reach the threshold, per night: each is announced once.
    completeness
        Share of the stars with an event in the stream that ever reach it.
    """

    thresholds: Float64Array
    false_per_night: Float64Array
    completeness: Float64Array
    false_interval: Float64Array
    completeness_interval: Float64Array


def stream_curve(
    p: Float64Array,
    star: IntArray,
    cluster: IntArray,
    is_event: BoolArray,
    thresholds: Sequence[float],
    *,
    nights: int,
    seed: int,
    draws: int = 1000,
) -> StreamCurve:
    """Count announced stars at each threshold, with intervals from resampling whole clusters.

    Parameters
    ----------
    p, star, cluster, is_event : [n]
        Of each candidate of the stream: score, number of its star and cluster, whether the star has an event.
    thresholds
        A candidate at or above is announced.
    nights
        Runs in the stream, all of them, also those without candidates.

    Raises
    ------
    ValueError
        If there are no candidates or no nights.
    """
    if not p.size or nights < 1:
        raise ValueError(f"need candidates and nights, got {p.size} and {nights}")
    _, first, of_star = np.unique(star, return_index=True, return_inverse=True)
    best = np.full(first.size, -np.inf)
    np.maximum.at(best, of_star, p)
    event, (_, group) = is_event[first], np.unique(cluster[first], return_inverse=True)
    n_groups = int(group.max()) + 1
    reached = best[:, np.newaxis] >= np.asarray(thresholds, dtype=np.float64)
    false = _sums(reached & ~event[:, np.newaxis], group, n_groups)
    found = _sums(reached & event[:, np.newaxis], group, n_groups)
    events = np.bincount(group, weights=event, minlength=n_groups)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(n_groups, np.full(n_groups, 1.0 / n_groups), size=draws).astype(np.float64)
    whole = np.ones((1, n_groups))
    return StreamCurve(
        thresholds=np.asarray(thresholds, dtype=np.float64),
        false_per_night=(whole @ false)[0] / nights,
        completeness=_share(whole @ found, whole @ events)[0],
        false_interval=np.percentile(times @ false / nights, _ENDS, axis=0).T,
        completeness_interval=_interval(_share(times @ found, times @ events)),
    )


def _sums(stars: BoolArray, group: IntArray, n_groups: int) -> Float64Array:
    """Sum rows [stars, m] of each group, [groups, m]."""
    sums = np.zeros((n_groups, stars.shape[1]))
    np.add.at(sums, group, stars)
    return sums


def _share(found: Float64Array, events: Float64Array) -> Float64Array:
    """Divide [d, m] by [d]; NaN where there are no events."""
    of = np.broadcast_to(events[:, np.newaxis], found.shape)
    share = np.full(found.shape, np.nan)
    np.divide(found, of, out=share, where=of > 0)
    return share


def _interval(draws: Float64Array) -> Float64Array:
    """Percentiles [m, 2] of draws [d, m], those without any event left out."""
    counted = draws[np.isfinite(draws).all(axis=1)]
    if not counted.size:
        return np.full((draws.shape[1], len(_ENDS)), np.nan)
    return np.asarray(np.percentile(counted, _ENDS, axis=0).T, dtype=np.float64)
