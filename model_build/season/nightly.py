"""Light curves as a person sees them on a plot: flux against time, night by night, dataset by dataset.

Only site, dataset, time, flux and flux error of a light curve are read; never its auxiliary columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from stream_worker.preprocessing import SITE_POSITIONS, SITES, LightCurve
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray

_MAX_FLUX_ERR: Final = 2000.0  # community cut on KMTNet's pySIS files
_MAX_PULL: Final = 5.0  # of a point against the median of its night: what a person takes for a stray point
_MAD_TO_SIGMA: Final = 1.4826
_LEAST_RATIO: Final = 1.0  # scatter over quoted error is never taken for smaller
_PARTS: Final = 8.0  # means per day in a close-up


@dataclass(frozen=True, slots=True, eq=False)
class Nights:
    """Nightly means of all datasets, datasets one after the other, each ascending in time.

    Parameters
    ----------
    t, flux, error : float64 [n]
        Mean HJD - 2450000, mean flux, and its error from the scatter seen, not from the quoted errors.
    dataset : intp [n]
        Number of the dataset, from 0.
    site : intp [n]
        Index into SITES.
    spread : float64 [n]
        Scatter of the points within the night over their scatter in all nights; NaN for lone points.
    points : intp [n]
        Observations in the night.
    """

    t: Float64Array
    flux: Float64Array
    error: Float64Array
    dataset: IntArray
    site: IntArray
    spread: Float64Array
    points: IntArray

    def select(self, rows: BoolArray) -> Nights:
        """Return the nights of ``rows`` [n]."""
        return Nights(
            self.t[rows],
            self.flux[rows],
            self.error[rows],
            self.dataset[rows],
            self.site[rows],
            self.spread[rows],
            self.points[rows],
        )


def bin_nights(
    light_curves: Iterable[LightCurve], t_cut: float = np.inf, *, close_up: tuple[float, float] | None = None
) -> Nights:
    """Average the observations up to and at ``t_cut`` of each dataset and night (local noon to noon).

    Between the times of ``close_up`` means are taken every three hours instead, so that fast changes
    keep their shape. Points far off the median of their night are dropped. A mean's error is that of
    points scattered as they do within nights, plus the excess from one night to the next, both
    robust: neither a slow rise nor a few odd nights change them.
    """
    pieces = list(_datasets(light_curves, t_cut, close_up or (np.inf, np.inf)))
    if not pieces:
        empty, none = np.zeros(0), np.zeros(0, dtype=np.intp)
        return Nights(empty, empty, empty, none, none, empty, none)
    return Nights(*(np.concatenate(columns) for columns in zip(*pieces, strict=True)))


_Piece = tuple[Float64Array, Float64Array, Float64Array, IntArray, IntArray, Float64Array, IntArray]


def _datasets(
    light_curves: Iterable[LightCurve], t_cut: float, close_up: tuple[float, float]
) -> Iterator[_Piece]:
    number = 0
    for curve in light_curves:
        site = SITES.index(curve.site)
        hjd = np.asarray(curve.hjd, dtype=np.float64)
        flux = np.asarray(curve.flux, dtype=np.float64)
        error = np.asarray(curve.flux_err, dtype=np.float64)
        good = (hjd <= t_cut) & np.isfinite(flux) & (error > 0.0) & (error <= _MAX_FLUX_ERR)
        if good.sum() < 2:
            continue
        order = np.argsort(hjd[good], kind="stable")
        shift = SITE_POSITIONS[curve.site].longitude / 360.0
        hjd, flux, error = hjd[good][order], flux[good][order], error[good][order]
        night = np.floor(hjd + shift)
        close = (hjd >= close_up[0]) & (hjd <= close_up[1])
        night[close] = np.floor((hjd[close] + shift) * _PARTS) / _PARTS
        columns = _bin(night, hjd, flux, error)
        n = columns[0].size
        yield (
            *columns[:3], np.full(n, number, dtype=np.intp), np.full(n, site, dtype=np.intp), *columns[3:],
        )  # fmt: skip
        number += 1


def _bin(
    night: Float64Array, t: Float64Array, flux: Float64Array, error: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array, IntArray]:
    starts = np.flatnonzero(np.diff(night, prepend=night[0] - 1.0))
    counts = np.diff(starts, append=t.size)
    deviation = flux - np.repeat(_group_medians(flux, starts, counts), counts)
    alone = np.repeat(counts, counts) == 1
    ratio = _scatter_ratio(deviation[~alone] / error[~alone], counts[counts > 1])
    keep = np.abs(deviation) < _MAX_PULL * ratio * error
    weight = np.where(keep, 1.0 / error**2, 1e-12 / error**2)  # a night of strays only must not vanish
    total = np.add.reduceat(weight, starts)
    mean = np.add.reduceat(weight * flux, starts) / total
    mean_t = np.add.reduceat(weight * t, starts) / total
    kept = np.maximum(np.add.reduceat(keep.astype(np.intp), starts), 1)
    spread = _spread(deviation, error, starts, keep) / ratio
    within = ratio / np.sqrt(total)
    return mean_t, mean, np.hypot(within, _night_to_night(mean, within)), spread, kept


def _spread(deviation: Float64Array, error: Float64Array, starts: IntArray, keep: BoolArray) -> Float64Array:
    """Scatter over error within each group, from differences of neighbours, which a trend leaves alone."""
    square = np.diff(deviation, prepend=0.0) ** 2 / (error**2 + np.append(error[:1], error[:-1]) ** 2)
    pair = keep & np.append(False, keep[:-1])
    pair[starts] = False
    pairs = np.add.reduceat(pair.astype(np.intp), starts)
    total = np.add.reduceat(np.where(pair, square, 0.0), starts)
    return np.asarray(np.sqrt(np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)))


def _group_medians(values: Float64Array, starts: IntArray, counts: IntArray) -> Float64Array:
    """Median of each group of consecutive values."""
    group = np.repeat(np.arange(starts.size), counts)
    ordered = values[np.lexsort((values, group))]
    return np.asarray(0.5 * (ordered[starts + (counts - 1) // 2] + ordered[starts + counts // 2]))


def _scatter_ratio(pulls: Float64Array, counts: IntArray) -> float:
    """Scatter within nights over quoted error; deviations are from medians of ``counts`` points."""
    if pulls.size < 4:
        return 1.5  # middle of what real files show: too few to tell
    freedom = float(np.sum(counts - 1) / np.sum(counts))
    return max(_MAD_TO_SIGMA * float(np.median(np.abs(pulls))) / math.sqrt(freedom), _LEAST_RATIO)


def _night_to_night(mean: Float64Array, within: Float64Array) -> float:
    """Excess scatter of nightly means, from differences of neighbours, which a slow rise leaves alone."""
    if mean.size < 4:
        return 0.0
    steps = np.diff(mean)
    expected = float(np.median(within[1:] ** 2 + within[:-1] ** 2))
    seen = (_MAD_TO_SIGMA * float(np.median(np.abs(steps - np.median(steps))))) ** 2
    return math.sqrt(max(seen - expected, 0.0) / 2.0)
