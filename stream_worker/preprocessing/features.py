"""Steps 7 to 10: from cleaned series to the channels of the network, before standardisation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from stream_worker.preprocessing.airmass import airmass
from stream_worker.preprocessing.clean import Cleaned, clean, enough_observations, report_sites, with_t_break
from stream_worker.preprocessing.light_curve import (
    AUXILIARIES,
    COLUMNS,
    SITE_POSITIONS,
    SITES,
    BoolArray,
    Float64Array,
    IntArray,
    LightCurve,
)
from stream_worker.preprocessing.options import PreprocessingOptions
from stream_worker.preprocessing.outliers import find_outliers
from stream_worker.preprocessing.report import OUTLIER_RULES, Report, TooFewObservations
from stream_worker.preprocessing.rise import Rise, fit_rise
from stream_worker.preprocessing.rows import count_kept

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
_T, _FLUX, _FLUX_ERR, _, _, _AIRMASS, _, _FIT_LINE, _ONE, _HAS = range(10)
_OPTIONAL: Final = [
    AUXILIARIES.index("sky_background"),
    AUXILIARIES.index("fwhm"),
    AUXILIARIES.index("psf_quality"),
]


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


def prepare(
    light_curves: Iterable[LightCurve],
    *,
    t_break: float,
    t_cut: float,
    ra: float,
    dec: float,
    options: PreprocessingOptions | None = None,
) -> Prepared:
    """Do `clean` and `features` at once; see there for parameters and errors."""
    cleaned = clean(light_curves, t_cut=t_cut, t_break=t_break, options=options)
    return features(cleaned, t_break=t_break, ra=ra, dec=dec)


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
    bounds = count_kept(keep, series.bounds)
    report = _report(cleaned, keep, outliers, rules)
    if not enough_observations(bounds, options):
        raise TooFewObservations(report, options.min_points)
    t_last = max(float(hjd[-1]) for hjd in series.hjd if hjd.size)
    rows = keep.nonzero()[0]
    channels = np.empty((len(FEATURES), rows.size))
    series.columns.take(rows, axis=1, out=channels[: len(COLUMNS)], mode="clip")
    channels[_ONE] = 1.0
    channels[_HAS:] = series.has[:, _OPTIONAL].T.take(series.source[rows], axis=1)
    rises = [_complete(channels[:, mine], site, t_break, ra, dec) for site, mine in _slices(bounds)]
    channels[_T] -= t_last
    if options.mode == "default":
        _scale_by_star(channels, rises, bounds)
    ctio, saao, sso = (channels[:, mine].T for _, mine in _slices(bounds))
    return Prepared(
        sites=(ctio, saao, sso),
        t_last=t_last,
        t_break=t_break - t_last,
        rises=(rises[0], rises[1], rises[2]),
        report=report,
    )


def _report(cleaned: Cleaned, keep: BoolArray, outliers: IntArray, rules: IntArray) -> Report:
    """Account for the outliers (step 7), then for rows where a measured auxiliary is missing (step 8)."""
    series = cleaned.series
    site = np.searchsorted(series.bounds[1:], outliers, side="right")
    counts = np.zeros((len(OUTLIER_RULES), len(SITES)), dtype=int)
    np.add.at(counts, (rules, site), 1)
    removed = dict(zip(OUTLIER_RULES, counts.tolist(), strict=True))
    n_dropped = [int(np.count_nonzero(~keep[mine])) for _, mine in _slices(series.bounds)]
    removed["missing_value"] = (n_dropped - counts.sum(axis=0)).tolist()
    return report_sites(cleaned, keep, removed)


def _slices(bounds: tuple[int, ...]) -> Iterator[tuple[str, slice]]:
    return zip(SITES, (slice(start, stop) for start, stop in pairwise(bounds)), strict=True)


def _complete(channels: Float64Array, site: str, t_break: float, ra: float, dec: float) -> Rise | None:
    """Fill in the missing airmass and the fit line of one site [12, n], while t is still the HJD."""
    hjd, airmass_channel = channels[_T], channels[_AIRMASS]
    if not hjd.size:
        return None
    missing = np.isnan(airmass_channel)
    if missing.any():
        airmass_channel[missing] = airmass(hjd[missing], SITE_POSITIONS[site], ra, dec)
    rise = fit_rise(hjd, channels[_FLUX], channels[_FLUX_ERR], t_break)
    channels[_FIT_LINE] = rise.baseline + rise.slope * np.maximum(hjd - t_break, 0.0)
    return rise


def _scale_by_star(channels: Float64Array, rises: list[Rise | None], bounds: tuple[int, ...]) -> None:
    """Make fluxes comparable: asinh of the deviation from the baseline in units of the scatter."""
    n_rows = [stop - start for start, stop in pairwise(bounds)]
    baseline = np.repeat([rise.baseline if rise else 0.0 for rise in rises], n_rows)
    scatter = np.repeat([rise.scatter if rise else 1.0 for rise in rises], n_rows)
    for channel in (_FLUX, _FIT_LINE):
        channels[channel] = np.arcsinh((channels[channel] - baseline) / scatter)
    channels[_FLUX_ERR] /= scatter
