"""Step 9: the line through the rising part, and the star's baseline and scatter (step 10)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from stream_worker.preprocessing import kernels
from stream_worker.preprocessing.light_curve import Float64Array
from stream_worker.preprocessing.rows import Bounds

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


def fit_rises(rows: Float64Array, bounds: Bounds, t_break: float) -> list[Rise | None]:
    """Fit, per site, the slope after t_break of a line that starts at the mean flux before it.

    Viaña et al. 2025, sec. 5.4. The baseline is the inverse-variance mean before t_break, with
    fewer than three rows there the median of all; with fewer than two rows after, the slope is 0.
    The scatter is 1.4826 MAD before t_break, but at least half the median error (a few points may
    agree by chance); with fewer than three rows there it is the median error of all.

    Parameters
    ----------
    rows : float64 [m, n], contiguous
        HJD, flux and its error, and whatever else; each site ascending, finite, errors > 0.
    bounds : tuple of int
        Site i has the columns ``bounds[i]:bounds[i + 1]``.
    t_break : float
        On the scale of the HJD.

    Returns
    -------
    list
        Per site its rise, None without rows.
    """
    found = kernels.fit_rises(rows, bounds, t_break, _MIN_BEFORE)
    return [
        None if one is None else _rise(*one, stop - start)
        for one, (start, stop) in zip(found, pairwise(bounds), strict=True)
    ]


def _rise(baseline: float, scatter: float, slope: float, n_before: int, n: int) -> Rise:
    n_after = n - n_before
    told = n_after >= _MIN_AFTER and abs(slope) < _MAX_SLOPE  # beyond: rows closer in time than any clock
    return Rise(baseline, scatter, slope if told else 0.0, n_before, n_after)
