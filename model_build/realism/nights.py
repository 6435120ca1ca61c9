"""Nights of a light curve at its site, and residuals from its baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_worker.preprocessing import SITE_POSITIONS, LightCurve
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array

_GAUSSIAN_MAD = 1.4826
_CLIP = 4.0


def night_of(curve: LightCurve) -> NDArray[np.int64]:
    """Count local noons, int64 [n]."""
    turn = SITE_POSITIONS[curve.site].longitude / 360.0
    return np.asarray(np.floor(curve.hjd + turn), dtype=np.int64)


def same_night(curve: LightCurve) -> BoolArray:
    """Return where a row and the next are of one night, [n - 1]."""
    return np.asarray(np.diff(night_of(curve)) == 0)


def residuals(curve: LightCurve) -> Float64Array:
    """Flux less its median, in quoted errors, [n]."""
    return np.asarray((curve.flux - np.median(curve.flux)) / curve.flux_err, dtype=np.float64)


def robust_scatter(values: Float64Array) -> float:
    """Standard deviation of a Gaussian with the same median absolute deviation."""
    return float(_GAUSSIAN_MAD * np.median(np.abs(values - np.median(values))))


def clipped(values: Float64Array) -> Float64Array:
    """Return ``values`` in units of their robust scatter, outliers drawn in, zero mean, [n]."""
    scatter = robust_scatter(values) or 1.0
    inside = np.clip((values - np.median(values)) / scatter, -_CLIP, _CLIP)
    return np.asarray(inside - inside.mean())


def lag_within_night(z: Float64Array, curve: LightCurve) -> float:
    """Correlation of successive rows of one night; NaN without five such pairs."""
    pair = same_night(curve)
    return _correlation(z[:-1][pair], z[1:][pair])


def nightly_means(z: Float64Array, curve: LightCurve) -> tuple[NDArray[np.int64], Float64Array, Float64Array]:
    """Nights with data, their means of ``z`` and numbers of rows, [nights] each."""
    nights, place, counts = np.unique(night_of(curve), return_inverse=True, return_counts=True)
    return nights, np.bincount(place, z) / counts, counts.astype(np.float64)


def lag_of_nights(z: Float64Array, curve: LightCurve, lag: int) -> float:
    """Correlation of nightly means ``lag`` nights apart; NaN without five such pairs."""
    nights, means, _ = nightly_means(z, curve)
    _, first, second = np.intersect1d(nights + lag, nights, return_indices=True)
    return _correlation(means[first], means[second])


def rank_correlation(a: Float64Array, b: Float64Array) -> float:
    """Spearman's coefficient of the pairs that are both finite; NaN without five of them."""
    both = np.isfinite(a) & np.isfinite(b)
    return _correlation(_ranks(a[both]), _ranks(b[both]))


def _ranks(values: Float64Array) -> Float64Array:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(np.float64)


def _correlation(a: Float64Array, b: Float64Array) -> float:
    if a.size < 5 or np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
