"""What a threshold costs and finds in a natural stream: false alerts a night against completeness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_build.bootstrap import DRAWS, Resampling, interval, shares
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray


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
    draws: int = DRAWS,
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
    event = is_event[first]
    reached = best[:, np.newaxis] >= np.asarray(thresholds, dtype=np.float64)
    resampling = Resampling(cluster[first], seed, draws)
    false = resampling.totals(reached & ~event[:, np.newaxis]) / nights
    completeness = shares(resampling.totals(reached & event[:, np.newaxis]), resampling.totals(event))
    return StreamCurve(
        thresholds=np.asarray(thresholds, dtype=np.float64),
        false_per_night=false[0],
        completeness=completeness[0],
        false_interval=interval(false[1:]).T,
        completeness_interval=interval(completeness[1:]).T,
    )
