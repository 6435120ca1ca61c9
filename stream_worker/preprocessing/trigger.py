"""The single-site detection that names a candidate's site, t_break and delta_chi2."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from stream_worker.preprocessing.broken_line import BrokenLine, fit_broken_line
from stream_worker.preprocessing.light_curve import SITES, BoolArray, Float64Array, LightCurve
from stream_worker.preprocessing.merge import merge
from stream_worker.preprocessing.options import PreprocessingOptions
from stream_worker.preprocessing.robust import median
from stream_worker.preprocessing.rows import (
    FLUX,
    FLUX_ERR,
    FWHM,
    HJD,
    PSF,
    Rows,
    read_rows,
)

N_HIGH: Final = 10
_N_RECENT: Final = N_HIGH + 10
_HIGH_SIGMA: Final = 3.0
_MAX_AGE: Final = 3.5  # days of the newest observation of a site that can trigger
_MAX_FLUX_ERR: Final = 2000.0
_MAX_FWHM: Final = 10.0
_MAX_PSF_QUALITY: Final = 20.0
_MIN_POINTS: Final = 3
_UNLIMITED: Final = replace(PreprocessingOptions(), max_points=2**31)


@dataclass(frozen=True, slots=True)
class Trigger:
    """AlertFinder's view of a candidate (Viaña et al. 2025, sec. 3.2).

    Parameters
    ----------
    site, dataset : str
        Site of the largest delta_chi2, and the dataset of that site which alone has the largest.
    n_high : int
        Of the newest 20 observations of the site, those at least 3 errors above its median flux.
    t_break, t_cut : float
        HJD - 2450000.
    slope : float
        Flux per day after t_break.
    delta_chi2 : float
        Flat against broken line.
    """

    site: str
    dataset: str
    n_high: int
    t_break: float
    t_cut: float
    slope: float
    delta_chi2: float


def trigger(light_curves: Iterable[LightCurve], *, t_cut: float) -> Trigger | None:
    """Return the best single-site fit of Eq. 1, None if no site has 3 usable observations.

    Rows that fail `clean`'s rules or AlertFinder's mask (flux_err > 2000, FWHM > 10 px, PSF
    chi-square > 20) are left out; overlapping fields of a site are merged, without the limit on the
    number of observations. A site whose newest observation is older than 3.5 d at t_cut can only win
    if all are. No threshold is applied: that is the caller's.
    """
    rows = read_rows(light_curves, t_cut)
    rows = rows.select(~_masked(rows.columns))
    series, _ = merge(rows, t_break=None, options=_UNLIMITED)
    best: tuple[tuple[bool, float], Trigger] | None = None
    for index, site in enumerate(SITES):
        columns = series.site(index)
        if columns.shape[1] < _MIN_POINTS:
            continue
        line = _fit(columns)
        found = Trigger(
            site=site,
            dataset=_strongest(rows.valid(), index),
            n_high=_count_high(columns),
            t_break=line.t_break,
            t_cut=t_cut,
            slope=line.slope,
            delta_chi2=line.delta_chi2,
        )
        rank = (t_cut - float(columns[HJD, -1]) < _MAX_AGE, line.delta_chi2)
        if best is None or rank > best[0]:
            best = rank, found
    return None if best is None else best[1]


def _masked(columns: Float64Array) -> BoolArray:
    masked: BoolArray = (
        (columns[FLUX_ERR] > _MAX_FLUX_ERR) | (columns[FWHM] > _MAX_FWHM) | (columns[PSF] > _MAX_PSF_QUALITY)
    )
    return masked


def _fit(columns: Float64Array) -> BrokenLine:
    return fit_broken_line(columns[HJD], columns[FLUX], columns[FLUX_ERR])


def _strongest(valid: Rows, site: int) -> str:
    """Return the site's dataset with the largest delta_chi2 of its own, the first by name if equal."""
    fits = [
        (-_fit(valid.columns[:, start:stop]).delta_chi2, dataset.name)
        for dataset, (start, stop) in zip(valid.datasets, pairwise(valid.bounds), strict=True)
        if dataset.site == site and stop > start
    ]
    return min(fits)[1]


def _count_high(columns: Float64Array) -> int:
    recent = columns[:, -_N_RECENT:]
    return int(np.sum(recent[FLUX] - median(columns[FLUX]) >= _HIGH_SIGMA * recent[FLUX_ERR]))
