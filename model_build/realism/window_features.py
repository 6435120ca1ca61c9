"""What a classifier sees of a quiet window: its noise, the conditions it was taken in, its cadence."""

from __future__ import annotations

from typing import Final

import numpy as np

from model_build.realism.nights import (
    clipped,
    lag_of_nights,
    lag_within_night,
    night_of,
    nightly_means,
    rank_correlation,
    residuals,
    robust_scatter,
    same_night,
)
from stream_worker.preprocessing import LightCurve
from stream_worker.preprocessing.light_curve import Float64Array

NOISE: Final = (
    "scatter over error", "rms over error", "beyond 3 sigma",
    "lag within night", "lag one night", "night to night",
    "residual-fwhm", "|residual|-fwhm", "residual-sky", "|residual|-sky",
    "residual-airmass", "|residual|-airmass", "|residual|-error",
    "log error", "error 90 %", "error 10 %", "error-fwhm", "error-sky",
)  # fmt: skip
CONDITIONS: Final = (
    "fwhm 5 %", "fwhm 50 %", "fwhm 95 %", "fwhm missing", "fwhm step", "fwhm-airmass",
    "sky 5 %", "sky 50 %", "sky 95 %", "sky step", "sky-airmass", "airmass 50 %", "airmass 95 %",
)  # fmt: skip
CADENCE: Final = (
    "rows per night", "nights with data", "step 50 %", "step 90 %", "step jitter",
    "longest gap", "hours per night",
)  # fmt: skip
FAMILIES: Final = {"noise": NOISE, "conditions": CONDITIONS, "cadence": CADENCE}
RESCALED_AWAY: Final = (
    "scatter over error", "rms over error", "beyond 3 sigma", "log error", "error 90 %", "error 10 %",
)  # fmt: skip
"""What published magnitudes no longer tell: their errors are rescaled, their outliers removed."""
FEATURES: Final = (*NOISE, *CONDITIONS, *CADENCE)

_FAR: Final = 3.0
_LONGEST: Final = 10.0  # rms of what is within so many robust scatters


def window_features(curve: LightCurve) -> Float64Array:
    """Return `FEATURES` of a window of usable rows, ascending, float64 [38]; NaN where not measured.

    Correlations (a-b) are Spearman's, lags Pearson's of clipped residuals; errors, FWHM and sky are
    logarithms to base 10, steps in minutes, gaps in days.
    """
    fwhm, sky, airmass = _column(curve, "fwhm"), _column(curve, "sky_background"), _column(curve, "airmass")
    logs = np.log10(fwhm), np.log10(sky)
    noise = _noise(curve, fwhm, sky, airmass)
    return np.array([*noise, *_conditions(curve, *logs, airmass), *_cadence(curve)])


def _column(curve: LightCurve, name: str) -> Float64Array:
    column = getattr(curve, name)
    return np.full(curve.hjd.size, np.nan) if column is None else np.asarray(column, np.float64)


def _noise(curve: LightCurve, fwhm: Float64Array, sky: Float64Array, airmass: Float64Array) -> list[float]:
    r = residuals(curve)
    error, size = np.asarray(curve.flux_err, np.float64), np.abs(r)
    scatter, z = robust_scatter(r), clipped(r)
    inside = r[size < _LONGEST * (scatter or 1.0)]
    _, means, counts = nightly_means(z, curve)
    low, middle, high = np.log10(np.quantile(error, (0.1, 0.5, 0.9))).tolist()
    return [
        scatter,
        float(np.std(inside)),
        float(np.mean(size > _FAR * scatter)),
        lag_within_night(z, curve),
        lag_of_nights(z, curve, 1),
        float(np.std(means * np.sqrt(counts)) / (np.std(z) or 1.0)),
        rank_correlation(r, fwhm),
        rank_correlation(size, fwhm),
        rank_correlation(r, sky),
        rank_correlation(size, sky),
        rank_correlation(r, airmass),
        rank_correlation(size, airmass),
        rank_correlation(size, error),
        middle,
        high - middle,
        low - middle,
        rank_correlation(error, fwhm),
        rank_correlation(error, sky),
    ]


def _conditions(
    curve: LightCurve, fwhm: Float64Array, sky: Float64Array, airmass: Float64Array
) -> list[float]:
    missing = float("nan") if curve.fwhm is None else float(np.mean(~np.isfinite(fwhm)))
    return [
        *_quantiles(fwhm, (0.05, 0.5, 0.95)),
        missing,
        _step(fwhm, curve),
        rank_correlation(fwhm, airmass),
        *_quantiles(sky, (0.05, 0.5, 0.95)),
        _step(sky, curve),
        rank_correlation(sky, airmass),
        *_quantiles(airmass, (0.5, 0.95)),
    ]


def _cadence(curve: LightCurve) -> list[float]:
    nights, counts = np.unique(night_of(curve), return_counts=True)
    steps = np.diff(curve.hjd)
    within = np.asarray(steps[same_night(curve)] * 1440.0, np.float64)
    first = np.searchsorted(night_of(curve), nights)
    hours = (curve.hjd[np.append(first[1:], curve.hjd.size) - 1] - curve.hjd[first]) * 24.0
    middle, high = _quantiles(within, (0.5, 0.9))
    jitter = robust_scatter(within) / middle if within.size else float("nan")
    return [
        float(np.mean(counts)),
        float(nights.size),
        middle,
        high,
        jitter,
        float(steps.max()),
        float(np.mean(hours)),
    ]


def _quantiles(values: Float64Array, at: tuple[float, ...]) -> list[float]:
    known = values[np.isfinite(values)]
    return np.quantile(known, at).tolist() if known.size else [float("nan")] * len(at)


def _step(values: Float64Array, curve: LightCurve) -> float:
    """Robust scatter of the change between successive rows of one night."""
    steps = np.diff(values)[same_night(curve)]
    steps = steps[np.isfinite(steps)]
    return robust_scatter(steps) if steps.size else float("nan")
