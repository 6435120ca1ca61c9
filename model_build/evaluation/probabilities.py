"""Whether probabilities mean what they say: reliability, calibration error, Brier skill, intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.bootstrap import Estimate, Resampling, estimate, interval, shares
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray

BINS: Final = 15


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Bins of predicted probability: mean predicted and share true with its interval [2, b], numbers.

    Empty bins are left out. ``expected_error`` is the mean distance of predicted from true, weighted by
    numbers (expected calibration error).
    """

    predicted: Float64Array
    observed: Float64Array
    interval: Float64Array
    n: IntArray
    expected_error: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class Honesty:
    """Of one probability.

    Parameters
    ----------
    base_rate
        Share true.
    mean
        Mean of the probability: equal to the base rate if it is right on average.
    brier
        Mean squared distance from what is true.
    skill
        1 - Brier / (Brier of always saying the base rate): above 0 better than that, 1 perfect.
    equal_width, equal_count
        In 15 bins of equal width, the usual calibration error; in 15 of equal numbers, which looks where
        the candidates are.
    """

    n: int
    base_rate: Estimate
    mean: Estimate
    brier: Estimate
    skill: Estimate
    equal_width: Bins
    equal_count: Bins


def honesty(resampling: Resampling, p: Float64Array, is_true: BoolArray) -> Honesty:
    """Assess probabilities [n] of what is true [n]."""
    true = is_true.astype(np.float64)
    sums = resampling.totals(np.column_stack([np.ones(p.size), true, p, (p - true) ** 2]))
    base, mean, brier = (shares(sums[:, i], sums[:, 0]) for i in (1, 2, 3))
    reference = base * (1.0 - base)
    inner = np.unique(np.quantile(p, np.linspace(0.0, 1.0, BINS + 1)[1:-1]))
    return Honesty(
        n=int(p.size),
        base_rate=estimate(base),
        mean=estimate(mean),
        brier=estimate(brier),
        skill=estimate(1.0 - shares(brier, reference)),
        equal_width=_bins(resampling, p, true, np.minimum((p * BINS).astype(np.intp), BINS - 1)),
        equal_count=_bins(resampling, p, true, np.searchsorted(inner, p, side="right")),
    )


def _bins(resampling: Resampling, p: Float64Array, true: Float64Array, place: IntArray) -> Bins:
    n = resampling.histogram(place, BINS)
    predicted = resampling.histogram(place, BINS, p)
    observed = resampling.histogram(place, BINS, true)
    error = np.abs(predicted - observed).sum(axis=1) / n.sum(axis=1)
    used = n[0] > 0
    share = shares(observed, n)[:, used]
    return Bins(
        predicted=shares(predicted, n)[0, used],
        observed=share[0],
        interval=interval(share[1:]),
        n=n[0, used].astype(np.intp),
        expected_error=estimate(error),
    )
