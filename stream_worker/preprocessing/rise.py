"""Step 9: the line through the rising part, and the star's baseline and scatter (step 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from stream_worker.preprocessing.light_curve import Float64Array
from stream_worker.preprocessing.robust import SIGMA_PER_MAD, median

_MIN_BEFORE: Final = 3
_MIN_AFTER: Final = 2
_MAX_SLOPE: Final = 1e60
_MIN_SCATTER: Final = 0.5  # of the median error: a few points may agree by chance


@dataclass(frozen=True, slots=True)
class Rise:
    """A flat line that turns into a rising one at t_break, at one site.

    Parameters
    ----------
    baseline : float
        Flux before t_break.
    scatter : float
        Robust scatter of the flux before t_break, > 0.
    slope : float
        Flux per day after t_break; may be negative.
    n_before, n_after : int
        Rows with HJD < t_break and >= t_break.
    """

    baseline: float
    scatter: float
    slope: float
    n_before: int
    n_after: int


def fit_rise(hjd: Float64Array, flux: Float64Array, flux_err: Float64Array, t_break: float) -> Rise:
    """Fit the slope after t_break of a line that starts at the mean flux before it.

    Viaña et al. 2025, sec. 5.4. The baseline is the inverse-variance mean before t_break, with
    fewer than three rows there the median of all; with fewer than two rows after, the slope is 0.
    The scatter is 1.4826 MAD before t_break, but at least half the median error; with fewer than
    three rows there it is the median error of all.

    Parameters
    ----------
    hjd, flux, flux_err : float64 [n]
        One site, ascending, n >= 1, finite, errors > 0.
    t_break : float
        On the scale of `hjd`.
    """
    n_before = int(hjd.searchsorted(t_break, side="left"))
    n_after = hjd.size - n_before
    weight = 1.0 / np.square(flux_err)
    if n_before < _MIN_BEFORE:
        baseline, scatter = median(flux), median(flux_err)
    else:
        before = flux[:n_before]
        baseline = float(np.dot(weight[:n_before], before) / weight[:n_before].sum())
        mad = median(np.abs(before - median(before)))
        scatter = max(SIGMA_PER_MAD * mad, _MIN_SCATTER * median(flux_err[:n_before]))
    slope = 0.0
    if n_after >= _MIN_AFTER:
        x = hjd[n_before:] - t_break
        weighted = weight[n_before:] * x
        power = np.dot(weighted, x)
        if power > 0:
            slope = float(np.dot(weighted, flux[n_before:] - baseline) / power)
    if not abs(slope) < _MAX_SLOPE:  # from rows closer in time than any clock can tell
        slope = 0.0
    return Rise(baseline, scatter, slope, n_before, n_after)
