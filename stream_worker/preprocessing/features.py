"""Steps 7 to 10: from cleaned series to the channels of the network, before standardisation.

Several candidates are worked on side by side: on the rows of one, calling numpy costs more than its work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, TypeVar

import numpy as np

from stream_worker.preprocessing.airmass import airmass
from stream_worker.preprocessing.clean import Cleaned, report_sites, with_t_break
from stream_worker.preprocessing.light_curve import (
    AUXILIARIES,
    COLUMNS,
    SITE_POSITIONS,
    SITES,
    BoolArray,
    Float64Array,
    IntArray,
)
from stream_worker.preprocessing.options import PreprocessingOptions
from stream_worker.preprocessing.outliers import find_outliers
from stream_worker.preprocessing.report import OUTLIER_RULES, Report, TooFewObservations
from stream_worker.preprocessing.rise import Rise, fit_rises
from stream_worker.preprocessing.rows import Bounds
from stream_worker.preprocessing.series import Series

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
T = TypeVar("T")
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


@dataclass(frozen=True, slots=True)
class Target:
    """What features are made for: AlertFinder's break (HJD - 2450000), the star's place in degrees (ICRS).

    Raises
    ------
    ValueError
        If t_break, ra or dec is not finite or dec is outside -90 to 90.
    """

    t_break: float
    ra: float
    dec: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.ra) and -90.0 <= self.dec <= 90.0):
            raise ValueError(
                f"ra must be finite and dec within -90 to 90 degrees, got {self.ra} and {self.dec}"
            )
        if not math.isfinite(self.t_break):
            raise ValueError(f"t_break must be finite, got {self.t_break}")


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
    (found,) = features_each([cleaned], [Target(t_break, ra, dec)], options or cleaned.options)
    if isinstance(found, TooFewObservations):
        raise found
    return found


def features_each(
    cleaned: Sequence[Cleaned], targets: Sequence[Target], options: PreprocessingOptions
) -> list[Prepared | TooFewObservations]:
    """Do `features` for several candidates; what is found for one doesn't depend on the others.

    Returns
    -------
    list
        Per candidate its features, views of one matrix of all; or that too few observations are left.
    """
    together = [with_t_break(one, target.t_break) for one, target in zip(cleaned, targets, strict=True)]
    every = _side_by_side([one.series for one in together])
    outliers, rules = find_outliers(every.columns, every.bounds, options)
    keep = ~every.incomplete
    keep[outliers] = False
    reports = _reports(together, every.bounds, keep, outliers, rules)
    enough = [max(site.rows_kept for site in report.sites) >= options.min_points for report in reports]
    for start, stop in _dropped(every.bounds, enough):
        keep[start:stop] = False
    t_last = [_newest(one.series) if usable else 0.0 for one, usable in zip(together, enough, strict=True)]
    channels, bounds, rises = _channels(every, keep, targets, t_last, options)
    matrices = [channels[:, start:stop].T for start, stop in pairwise(bounds)]
    return [
        Prepared(matrices_of, newest, target.t_break - newest, rises_of, report)
        if usable
        else TooFewObservations(report, options.min_points)
        for matrices_of, rises_of, target, newest, report, usable in zip(
            _by_candidate(matrices), _by_candidate(rises), targets, t_last, reports, enough, strict=True
        )
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Every:
    """The series of several candidates, one after the other: site i, of whichever, lies between its bounds.

    ``has`` bool [n_datasets, 4] and ``source`` int [n] are those of `Series`, numbered through.
    """

    columns: Float64Array
    bounds: Bounds
    incomplete: BoolArray
    has: BoolArray
    source: IntArray


def _side_by_side(series: Sequence[Series]) -> _Every:
    first_row = list(accumulate((one.bounds[-1] for one in series), initial=0))
    first_dataset = accumulate((len(one.datasets) for one in series), initial=0)
    bounds = [row + bound for row, one in zip(first_row, series, strict=False) for bound in one.bounds[:-1]]
    return _Every(
        np.concatenate([one.columns for one in series], axis=1),
        (*bounds, first_row[-1]),
        np.concatenate([one.incomplete for one in series]),
        np.concatenate([one.has for one in series]),
        np.concatenate([one.source + first for one, first in zip(series, first_dataset, strict=False)]),
    )


def _reports(
    cleaned: Sequence[Cleaned], bounds: Bounds, keep: BoolArray, outliers: IntArray, rules: IntArray
) -> list[Report]:
    """Account for the outliers (step 7), then for rows where a measured auxiliary is missing (step 8)."""
    n_sites, n_rules = len(bounds) - 1, len(OUTLIER_RULES)
    site = np.searchsorted(bounds[1:], outliers, side="right")
    counts = np.bincount(site * n_rules + rules, minlength=n_sites * n_rules).reshape(n_sites, n_rules)
    kept = np.diff(_bounds_of(keep, bounds))
    missing = np.diff(bounds) - kept - counts.sum(axis=1)
    removed = np.concatenate([counts, missing[:, None]], axis=1).tolist()
    return [
        report_sites(one, kept_of, removed_of)
        for one, kept_of, removed_of in zip(
            cleaned, _by_candidate(kept.tolist()), _by_candidate(removed), strict=True
        )
    ]


def _bounds_of(keep: BoolArray, bounds: Bounds) -> Bounds:
    """Return where the sites lie once only the rows of `keep` are left."""
    n_kept = np.concatenate([[0], np.cumsum(keep)])
    return tuple(n_kept[list(bounds)].tolist())


def _dropped(bounds: Bounds, enough: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Tell where the rows of the candidates lie that have too few."""
    return (rows for rows, usable in zip(pairwise(bounds[:: len(SITES)]), enough, strict=True) if not usable)


def _newest(series: Series) -> float:
    return max(float(hjd[-1]) for hjd in series.hjd if hjd.size)


def _channels(
    every: _Every,
    keep: BoolArray,
    targets: Sequence[Target],
    t_last: Sequence[float],
    options: PreprocessingOptions,
) -> tuple[Float64Array, Bounds, list[Rise | None]]:
    """Return the channels [12, n] of the rows of `keep`, where each site lies, and its rise."""
    rows = keep.nonzero()[0]
    bounds = _bounds_of(keep, every.bounds)
    channels = np.empty((len(FEATURES), rows.size))
    every.columns.take(rows, axis=1, out=channels[: len(COLUMNS)], mode="clip")
    channels[_ONE] = 1.0
    channels[_HAS:] = every.has[:, _OPTIONAL].T.take(every.source[rows], axis=1)
    _fill_airmass(channels, bounds, targets)
    t_breaks = [target.t_break for target in targets for _ in SITES]
    rises = fit_rises(channels[_T], channels[_FLUX], channels[_FLUX_ERR], bounds, t_breaks)
    n_rows = np.diff(bounds)
    lines = [(rise.baseline, rise.slope, rise.scatter) if rise else (0.0, 0.0, 1.0) for rise in rises]
    baseline, slope, scatter = np.repeat(np.array(lines).T, n_rows, axis=1)
    since_break = np.maximum(channels[_T] - np.repeat(t_breaks, n_rows), 0.0)
    channels[_FIT_LINE] = baseline + slope * since_break
    channels[_T] -= np.repeat([newest for newest in t_last for _ in SITES], n_rows)
    if options.mode == "default":
        _scale_by_star(channels, baseline, scatter)
    return channels, bounds, rises


def _fill_airmass(channels: Float64Array, bounds: Bounds, targets: Sequence[Target]) -> None:
    """Compute the missing airmass, while channel ``t`` is still the HJD."""
    missing = np.isnan(channels[_AIRMASS])
    if not missing.any():
        return
    for number, (start, stop) in enumerate(pairwise(bounds)):
        target, site = targets[number // len(SITES)], SITES[number % len(SITES)]
        rows = start + missing[start:stop].nonzero()[0]
        if rows.size:
            found = airmass(channels[_T, rows], SITE_POSITIONS[site], target.ra, target.dec)
            channels[_AIRMASS, rows] = found


def _scale_by_star(channels: Float64Array, baseline: Float64Array, scatter: Float64Array) -> None:
    """Make fluxes comparable: asinh of the deviation from the baseline in units of the scatter."""
    for channel in (_FLUX, _FIT_LINE):
        channels[channel] = np.arcsinh((channels[channel] - baseline) / scatter)
    channels[_FLUX_ERR] /= scatter


def _by_candidate(of_sites: Sequence[T]) -> Iterator[tuple[T, T, T]]:
    """Group what there is of every site by candidate."""
    one = iter(of_sites)
    return zip(one, one, one, strict=True)
