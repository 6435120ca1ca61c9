"""Step 9: the line through the rising part, and the star's baseline and scatter (step 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from stream_worker.preprocessing.light_curve import Float64Array
from stream_worker.preprocessing.robust import SIGMA_PER_MAD, segment_medians
from stream_worker.preprocessing.rows import Bounds

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
    """Fit one site, n >= 1; see `fit_rises`."""
    (rise,) = fit_rises(hjd, flux, flux_err, (0, hjd.size), [t_break])
    if rise is None:
        raise ValueError("no observation: expected at least one")
    return rise


def fit_rises(
    hjd: Float64Array, flux: Float64Array, flux_err: Float64Array, bounds: Bounds, t_breaks: Sequence[float]
) -> list[Rise | None]:
    """Fit, per site, the slope after t_break of a line that starts at the mean flux before it.

    Viaña et al. 2025, sec. 5.4. The baseline is the inverse-variance mean before t_break, with
    fewer than three rows there the median of all; with fewer than two rows after, the slope is 0.
    The scatter is 1.4826 MAD before t_break, but at least half the median error; with fewer than
    three rows there it is the median error of all.

    Parameters
    ----------
    hjd, flux, flux_err : float64 [n]
        The sites one after the other, each ascending, finite, errors > 0.
    bounds : tuple of int
        Site i, of whichever candidate, is ``[bounds[i]:bounds[i + 1]]``.
    t_breaks : sequence of float
        Per site, on the scale of `hjd`.

    Returns
    -------
    list
        Per site its rise, None without rows.
    """
    n_before = [
        int(hjd[start:stop].searchsorted(t_break, side="left"))
        for (start, stop), t_break in zip(pairwise(bounds), t_breaks, strict=True)
    ]
    quiet = [  # rows that tell baseline and scatter
        (start, start + n if n >= _MIN_BEFORE else stop)
        for (start, stop), n in zip(pairwise(bounds), n_before, strict=True)
    ]
    middle = segment_medians(flux, quiet)
    mad = segment_medians(np.abs(flux - np.repeat(middle, np.diff(bounds))), quiet)
    error = segment_medians(flux_err, quiet)
    weight = 1.0 / np.square(flux_err)
    rises: list[Rise | None] = []
    for site, (start, stop) in enumerate(pairwise(bounds)):
        if start == stop:
            rises.append(None)
            continue
        split = start + n_before[site]
        if n_before[site] < _MIN_BEFORE:
            baseline, scatter = float(middle[site]), float(error[site])
        else:
            before = weight[start:split]
            baseline = float(np.dot(before, flux[start:split]) / before.sum())
            scatter = max(SIGMA_PER_MAD * float(mad[site]), _MIN_SCATTER * float(error[site]))
        after = slice(split, stop)
        slope = _slope(hjd[after] - t_breaks[site], flux[after] - baseline, weight[after])
        rises.append(Rise(baseline, scatter, slope, n_before[site], stop - split))
    return rises


def _slope(x: Float64Array, rise: Float64Array, weight: Float64Array) -> float:
    """Return the weighted slope of a line through the origin; 0 where the rows don't tell one."""
    if x.size < _MIN_AFTER:
        return 0.0
    weighted = weight * x
    power = np.dot(weighted, x)
    slope = float(np.dot(weighted, rise) / power) if power > 0 else 0.0
    return slope if abs(slope) < _MAX_SLOPE else 0.0  # beyond: rows closer in time than any clock can tell
