"""Step 9: the line through the rising part, and the star's baseline and scatter (step 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stream_worker.preprocessing import kernels
from stream_worker.preprocessing.light_curve import Float64Array

_MIN_BEFORE: Final = 3
_MIN_AFTER: Final = 2
_MAX_SLOPE: Final = 1e60


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
    """Fit the slope after t_break of a line that starts at the mean flux before it, at one site.

    Viaña et al. 2025, sec. 5.4. The baseline is the inverse-variance mean before t_break, with
    fewer than three rows there the median of all; with fewer than two rows after, the slope is 0.
    The scatter is 1.4826 MAD before t_break, but at least half the median error (a few points may
    agree by chance); with fewer than three rows there it is the median error of all.

    Parameters
    ----------
    hjd, flux, flux_err : float64 [n]
        Ascending, n >= 1, finite, errors > 0.
    t_break : float
        On the scale of `hjd`.
    """
    baseline, scatter, slope, n_before = kernels.fit_rise(hjd, flux, flux_err, t_break, _MIN_BEFORE)
    n_after = hjd.size - n_before
    told = n_after >= _MIN_AFTER and abs(slope) < _MAX_SLOPE  # beyond: rows closer in time than any clock
    return Rise(baseline, scatter, slope if told else 0.0, n_before, n_after)
