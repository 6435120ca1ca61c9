"""Steps 7 to 10: from cleaned series to the channels of the network, before standardisation."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from stream_worker.preprocessing import kernels
from stream_worker.preprocessing.airmass import airmass
from stream_worker.preprocessing.clean import Cleaned, enough_observations, report_sites, with_t_break
from stream_worker.preprocessing.light_curve import SITE_POSITIONS, SITES, BoolArray, Float64Array, IntArray
from stream_worker.preprocessing.options import PreprocessingOptions
from stream_worker.preprocessing.outliers import find_outliers
from stream_worker.preprocessing.report import OUTLIER_RULES, Report, TooFewObservations
from stream_worker.preprocessing.rise import Rise, fit_rises
from stream_worker.preprocessing.rows import Bounds

FEATURES: Final = (
    "t",
    "flux",
    "flux_err",
    "sky_background",
    "fwhm",
    "airmass",
    "psf_quality",
    "fit_line",
    "one",
    "has_sky",
    "has_fwhm",
    "has_psf_quality",
)
"""Channels, in order: those of Viaña et al. 2025, sec. 2 and 5.4, a constant 1 (so that no row is
all zero) and the availability of the auxiliaries that can't be computed."""

# the first channels are COLUMNS, in their order
_T, _FLUX, _, _, _, _AIRMASS, _, _FIT_LINE = range(8)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A candidate as the network sees it, not yet standardised.

    Parameters
    ----------
    sites : tuple of float64 [n_site, 12]
        `FEATURES` per observation, ascending in time, in the order of `SITES`; NaN only where an
        auxiliary is not measured (its availability channel is 0). No data: [0, 12].
    t_last : float
        Zero of channel ``t``: newest observation of any site (HJD - 2450000).
    t_break : float
        AlertFinder's break relative to t_last, days.
    rises : tuple of Rise or None
        Baseline, scatter and slope per site, in flux units; None without data.
    report : Report
        What was removed, what was available.
    """

    sites: tuple[Float64Array, Float64Array, Float64Array]
    t_last: float
    t_break: float
    rises: tuple[Rise | None, Rise | None, Rise | None]
    report: Report


def features(
    cleaned: Cleaned,
    *,
    t_break: float,
    ra: float,
    dec: float,
    options: PreprocessingOptions | None = None,
) -> Prepared:
    """Remove outliers and incomplete rows, fit the rise, scale by the star (Viaña et al. 2025, sec. 5.4).

    Parameters
    ----------
    cleaned : Cleaned
        From `clean` or `crop`.
    t_break : float
        AlertFinder's break (HJD - 2450000).
    ra, dec : float
        Position of the star, degrees (ICRS), for a missing airmass.
    options : PreprocessingOptions, optional
        Defaults to those of `cleaned`.

    Raises
    ------
    TooFewObservations
        If no site keeps `min_points` observations.
    ValueError
        If t_break, ra or dec is not finite or dec is outside -90 to 90.
    """
    options = options or cleaned.options
    if not (math.isfinite(ra) and -90.0 <= dec <= 90.0):
        raise ValueError(f"ra must be finite and dec within -90 to 90 degrees, got {ra} and {dec}")
    if not math.isfinite(t_break):
        raise ValueError(f"t_break must be finite, got {t_break}")
    cleaned = with_t_break(cleaned, t_break)
    series = cleaned.series
    outliers, rules = find_outliers(series.columns, series.bounds, options)
    keep = ~series.incomplete
    keep[outliers] = False
    channels, bounds = kernels.channels(
        series.columns, keep.view(np.uint8), series.bounds, series.source, series.has.view(np.uint8)
    )
    report = _report(cleaned, bounds, channels[_T], outliers, rules)
    if not enough_observations(bounds, options):
        raise TooFewObservations(report, options.min_points)
    _fill_airmass(channels, bounds, ra, dec)
    t_last = max(float(series.columns[_T, stop - 1]) for stop in series.bounds[1:] if stop)
    rises = fit_rises(channels, bounds, t_break)
    _relate_to_star(channels, bounds, rises, t_break, t_last, scaled=options.mode == "default")
    ctio, saao, sso = (channels[:, start:stop].T for start, stop in pairwise(bounds))
    return Prepared((ctio, saao, sso), t_last, t_break - t_last, (rises[0], rises[1], rises[2]), report)


def _report(
    cleaned: Cleaned, bounds: Bounds, hjd: Float64Array, outliers: IntArray, rules: IntArray
) -> Report:
    """Account for the outliers (step 7), then for rows where a measured auxiliary is missing (step 8)."""
    before = cleaned.series.bounds
    removed = [[0] * (len(OUTLIER_RULES) + 1) for _ in SITES]
    for row, rule in zip(outliers.tolist(), rules.tolist(), strict=True):
        removed[bisect_right(before, row) - 1][rule] += 1
    kept = [stop - start for start, stop in pairwise(bounds)]
    for site, (start, stop) in enumerate(pairwise(before)):
        removed[site][-1] = stop - start - kept[site] - sum(removed[site])
    return report_sites(cleaned, bounds, hjd, removed)


def _fill_airmass(channels: Float64Array, bounds: Bounds, ra: float, dec: float) -> None:
    """Compute the missing airmass, while channel ``t`` is still the HJD."""
    missing: BoolArray = np.isnan(channels[_AIRMASS])
    if not missing.any():
        return
    for site, (start, stop) in zip(SITES, pairwise(bounds), strict=True):
        rows = start + missing[start:stop].nonzero()[0]
        if rows.size:
            channels[_AIRMASS, rows] = airmass(channels[_T, rows], SITE_POSITIONS[site], ra, dec)


def _relate_to_star(
    channels: Float64Array,
    bounds: Bounds,
    rises: Sequence[Rise | None],
    t_break: float,
    t_last: float,
    *,
    scaled: bool,
) -> None:
    """Fill in the fit line and count time from t_last.

    Scaled, fluxes become comparable: asinh of the deviation from the baseline in units of the scatter.
    """
    lines = [(rise.baseline, rise.slope, rise.scatter) if rise else (0.0, 0.0, 1.0) for rise in rises]
    kernels.relate(channels, bounds, lines, t_break, t_last, scaled)
    if scaled:
        for channel in (_FLUX, _FIT_LINE):
            np.arcsinh(channels[channel], out=channels[channel])
