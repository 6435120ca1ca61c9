"""Step 7: rows out of line with their site's series (Viaña et al. 2025, sec. 5.4)."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise

import numpy as np

from stream_worker.preprocessing import kernels
from stream_worker.preprocessing.light_curve import Float64Array, IntArray
from stream_worker.preprocessing.options import PreprocessingOptions
from stream_worker.preprocessing.rows import Bounds


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
        Site i has the columns ``bounds[i]:bounds[i + 1]``.
    options : PreprocessingOptions
        The limits.
    """
    found = kernels.outliers(
        columns,
        bounds,
        options.median_window,
        options.flux_limit,
        options.flux_limit_below,
        options.support_limit,
        options.auxiliary_limit,
    )
    newest = {stop - 1 for stop in bounds[1:]}
    quota = [math.floor(options.max_outlier_fraction * (stop - start)) for start, stop in pairwise(bounds)]
    chosen: dict[int, int] = {}
    for _, row, rule in found:  # worst first
        site = bisect_right(bounds, row) - 1
        if quota[site] and row not in newest and row not in chosen:
            chosen[row] = rule
            quota[site] -= 1
    rows = sorted(chosen)
    return np.array(rows, dtype=np.intp), np.array([chosen[row] for row in rows], dtype=np.intp)
