"""Step 7: rows out of line with their site's series (Viaña et al. 2025, sec. 5.4).

The sites of many candidates are judged together: what numpy does on a few hundred rows costs less than
the call.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise
from typing import Final

import bottleneck as bn
import numpy as np

from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray
from stream_worker.preprocessing.options import PreprocessingOptions
from stream_worker.preprocessing.robust import SIGMA_PER_MAD, median, segment_medians
from stream_worker.preprocessing.rows import AIRMASS, FLUX, FLUX_ERR, PSF, Bounds

_GROWING: Final = (FLUX_ERR, PSF)  # columns that grow with the brightness of the star
_BRIGHT: Final = 3.0
_SIGMA_PER_IQR: Final = 1.0 / 1.349
_MIN_SPREAD: Final = 0.05  # so that nothing is judged by rounding
_QUANTILES: Final = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
_Found = tuple[IntArray, IntArray, Float64Array]  # rows, positions in OUTLIER_RULES, units of the limit
_NONE: Final = (np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), np.empty(0))


def find_outliers(
    columns: Float64Array, bounds: Bounds, options: PreprocessingOptions
) -> tuple[IntArray, IntArray]:
    """Return the outliers' rows, ascending, and for each the position of its rule in `OUTLIER_RULES`.

    *Flux*: a row is out of line if it lies more than `flux_limit` (below: `flux_limit_below`) times
    s = max(error, 1.4826 MAD) from the running median, MAD being that of the residuals, unless the
    next row in time on either side lies more than `support_limit` times s (the smaller of the two)
    to the same side. A rise and a caustic crossing with two points survive that however sparse they
    are; a lone spike doesn't.

    *Other columns*: robust z (median; interquartile range over 1.349, at least 0.05) beyond
    `auxiliary_limit`; of the logarithm for sky, FWHM, flux error and PSF quality. Values <= 0 are
    not judged, nor are the flux error and the PSF chi-square of a row whose flux is three errors
    above the median: they grow with the star.

    The newest row of a site is never removed, nor more than `max_outlier_fraction` of its rows: the
    worst go first, in units of their limit.

    Parameters
    ----------
    columns : float64 [7, n]
        Valid rows, ascending in HJD per site; auxiliaries may be NaN.
    bounds : tuple of int
        Site i, of whichever candidate, has the columns ``bounds[i]:bounds[i + 1]``.
    options : PreprocessingOptions
        The limits.
    """
    found = (_flux_outliers(columns, bounds, options), _other_outliers(columns, bounds, options))
    row, rule, severity = (np.concatenate(parts) for parts in zip(*found, strict=True))
    worst_first = np.lexsort((rule, row, -severity))
    newest = {stop - 1 for stop in bounds[1:]}
    quota = [math.floor(options.max_outlier_fraction * (stop - start)) for start, stop in pairwise(bounds)]
    chosen: dict[int, int] = {}
    for i, k in zip(row[worst_first].tolist(), rule[worst_first].tolist(), strict=True):
        site = bisect_right(bounds, i) - 1
        if quota[site] and i not in newest and i not in chosen:
            chosen[i] = k
            quota[site] -= 1
    rows = sorted(chosen)
    return np.array(rows, dtype=np.intp), np.array([chosen[i] for i in rows], dtype=np.intp)


def running_median(values: Float64Array, window: int) -> Float64Array:
    """Return the running median [n] over the `window` nearest rows, `window` odd, no NaN.

    Rows near an end take the median of the first or last full window; a series shorter than the
    window takes the largest odd window that fits.
    """
    return _running_medians(values, (0, values.size), window)


def _running_medians(values: Float64Array, bounds: Bounds, window: int) -> Float64Array:
    """Return the running medians [n] within each site."""
    half = window // 2
    medians = np.empty(values.size)
    if values.size >= window:  # one pass over all; where a window spans two sites is overwritten below
        medians[half : values.size - half] = bn.move_median(values, window)[window - 1 :]
    for start, stop in pairwise(bounds):
        n = stop - start
        if n >= window:
            medians[start : start + half] = medians[start + half]
            medians[stop - half : stop] = medians[stop - half - 1]
        elif n:
            medians[start:stop] = running_median(values[start:stop], n - (n + 1) % 2)
    return medians


def _flux_outliers(columns: Float64Array, bounds: Bounds, options: PreprocessingOptions) -> _Found:
    flux = columns[FLUX]
    inner = np.ones(flux.size + 1, dtype=bool)  # whether rows i - 1 and i are of one site
    inner[list(bounds)] = False
    residual = flux - _running_medians(flux, bounds, options.median_window)
    mad = segment_medians(np.abs(residual), list(pairwise(bounds)))
    scale = np.maximum(columns[FLUX_ERR], np.repeat(SIGMA_PER_MAD * mad, np.diff(bounds)))
    deviation = residual / scale
    row = ((deviation > options.flux_limit) | (deviation < -options.flux_limit_below)).nonzero()[0]
    above = deviation[row] > 0
    supported = np.zeros(row.size, dtype=bool)
    for neighbour, same_site in (((row - 1), inner[row]), ((row + 1) % flux.size, inner[row + 1])):
        margin = options.support_limit * np.minimum(scale[row], scale[neighbour])
        supported |= same_site & (np.where(above, residual[neighbour], -residual[neighbour]) > margin)
    limit = np.where(above, options.flux_limit, options.flux_limit_below)
    severity = (np.abs(deviation[row]) / limit)[~supported]
    row = row[~supported]
    return row, np.zeros(row.size, dtype=np.intp), severity


def _other_outliers(columns: Float64Array, bounds: Bounds, options: PreprocessingOptions) -> _Found:
    quantiles = _quantiles(columns[FLUX_ERR:], bounds)
    least, lower, middle, upper, most = _scaled(quantiles)
    limit = options.auxiliary_limit * np.maximum(_SIGMA_PER_IQR * (upper - lower), _MIN_SPREAD)
    low, high = middle - limit, middle + limit
    found = [_NONE]
    for index, site in np.argwhere((least < low) | (most > high)).tolist():
        mine = columns[:, bounds[site] : bounds[site + 1]]
        deviation = np.abs(_scaled_column(mine, index + FLUX_ERR) - middle[index, site])
        row = (deviation > limit[index, site]).nonzero()[0]
        if index + FLUX_ERR in _GROWING:
            row = row[~_bright(mine, row)]
        rule = np.full(row.size, index + FLUX_ERR - FLUX)
        found.append((row + bounds[site], rule, deviation[row] / limit[index, site]))
    row, rule, severity = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return row, rule, severity


def _quantiles(values: Float64Array, bounds: Bounds) -> Float64Array:
    """Return the `_QUANTILES` [5, m, n_sites] of the positive values [m, n] of each site; NaN without any.

    A quantile between two values is the lower one.
    """
    first, stop = np.array(bounds[:-1]), np.array(bounds[1:])
    quantiles = np.full((len(_QUANTILES), len(values), first.size), np.nan)
    seen = (stop > first).nonzero()[0]
    if not seen.size:
        return quantiles
    ordered = np.where(values > 0, values, np.nan)
    for site in seen.tolist():
        ordered[:, bounds[site] : bounds[site + 1]].sort(axis=1)  # NaN last
    last = np.repeat((stop - first - 1)[None], len(values), axis=0)
    for row, site in np.argwhere(np.isnan(ordered[:, stop[seen] - 1])).tolist():
        mine = ordered[row, bounds[seen[site]] : bounds[seen[site] + 1]]
        last[row, seen[site]] = max(int(mine.searchsorted(np.nan)) - 1, 0)
    rank = (_QUANTILES[:, None, None] * last[:, seen]).astype(np.intp)
    quantiles[:, :, seen] = ordered[np.arange(len(values))[:, None], first[seen] + rank]
    return quantiles


def _scaled(values: Float64Array) -> Float64Array:
    """Return the logarithm of flux_err, sky, FWHM and PSF quality [..., 5, n], the airmass as it is."""
    scaled: Float64Array = np.log(values)
    scaled[..., AIRMASS - FLUX_ERR, :] = values[..., AIRMASS - FLUX_ERR, :]
    return scaled


def _scaled_column(columns: Float64Array, column: int) -> Float64Array:
    values = np.where(columns[column] > 0, columns[column], np.nan)
    return values if column == AIRMASS else np.log(values)


def _bright(columns: Float64Array, row: IntArray) -> BoolArray:
    """Tell in which rows the flux is three errors above the site's median."""
    bright: BoolArray = columns[FLUX, row] - median(columns[FLUX]) > _BRIGHT * columns[FLUX_ERR, row]
    return bright
