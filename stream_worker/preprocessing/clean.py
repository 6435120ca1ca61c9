"""Steps 0 to 3 of the preprocessing on all sites, and the crops of the augmentation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from stream_worker.preprocessing import kernels
from stream_worker.preprocessing.light_curve import SITES, Float64Array, LightCurve
from stream_worker.preprocessing.merge import MergedSite, merge
from stream_worker.preprocessing.options import PreprocessingOptions
from stream_worker.preprocessing.report import (
    LATER_RULES,
    ROW_RULES,
    RULES,
    Report,
    SiteReport,
    TooFewObservations,
)
from stream_worker.preprocessing.rows import HJD, Bounds, Rows, read_rows
from stream_worker.preprocessing.series import Series


@dataclass(frozen=True, slots=True, eq=False)
class Cleaned:
    """A candidate's observations after steps 0 to 3.

    Parameters
    ----------
    t_cut : float
        No later observation is in here (HJD - 2450000).
    t_break : float or None
        Time used where the offset of overlapping fields rests on the data before the break.
    options : PreprocessingOptions
        Options it was cleaned with.
    rows : Rows
        All rows of each dataset up to t_cut: what the crops start from.
    series : Series
        The merged valid rows of each site.
    merged : tuple of MergedSite
        How each site was merged.
    """

    t_cut: float
    t_break: float | None
    options: PreprocessingOptions
    rows: Rows
    series: Series
    merged: tuple[MergedSite, ...]

    @property
    def report(self) -> Report:
        """What was removed so far."""
        series = self.series
        return report_sites(self, series.bounds, series.columns[HJD], [(0,) * len(LATER_RULES)] * len(SITES))


def clean(
    light_curves: Iterable[LightCurve],
    *,
    t_cut: float,
    t_break: float | None = None,
    options: PreprocessingOptions | None = None,
) -> Cleaned:
    """Order, deduplicate, merge overlapping fields, apply the row rules, keep the newest rows.

    Neither the order of rows or light curves, nor repeated rows, nor anything after t_cut changes
    the result. See Viaña et al. 2025, sec. 5.1 and 5.2.

    Parameters
    ----------
    light_curves : iterable of LightCurve
        All datasets of all sites.
    t_cut : float
        HJD - 2450000 of the evaluation; later observations don't exist.
    t_break : float, optional
        AlertFinder's break, for merging fields with too few nights in common; `features` merges
        again with its own where this differs.
    options : PreprocessingOptions, optional
        Defaults to the survey's.

    Raises
    ------
    TooFewObservations
        If no site has `min_points` valid observations.
    ValueError
        If t_cut or t_break is not finite.
    """
    options = options or PreprocessingOptions()
    if not math.isfinite(t_cut):
        raise ValueError(f"t_cut must be finite, got {t_cut}")
    cleaned = _assemble(read_rows(light_curves, t_cut), t_cut, t_break, options)
    if not enough_observations(cleaned.series.bounds, options):
        raise TooFewObservations(cleaned.report, options.min_points)
    return cleaned


def crop(cleaned: Cleaned, *, t_first: float | None = None, t_last: float | None = None) -> Cleaned:
    """Keep t_first <= HJD <= t_last at all sites (augmentation, Viaña et al. 2025, sec. 5.3).

    Offsets, the limit on the number of rows and availability are derived anew from what is left:
    cropping on the right equals cleaning with an earlier t_cut, to the bit. A crop may leave too
    few observations; `features` raises then.
    """
    t_cut = cleaned.t_cut if t_last is None else min(cleaned.t_cut, t_last)
    return _assemble(cleaned.rows.between(t_first, t_last), t_cut, cleaned.t_break, cleaned.options)


def with_t_break(cleaned: Cleaned, t_break: float) -> Cleaned:
    """Merge again with another t_break where it could matter, that is with overlapping fields."""
    if cleaned.t_break == t_break or all(len(site.datasets) <= 1 for site in cleaned.merged):
        return cleaned
    return _assemble(cleaned.rows, cleaned.t_cut, t_break, cleaned.options)


def enough_observations(bounds: tuple[int, ...], options: PreprocessingOptions) -> bool:
    """Tell whether some site, lying between its bounds, has `min_points` observations (step 3)."""
    return max(stop - start for start, stop in pairwise(bounds)) >= options.min_points


def report_sites(
    cleaned: Cleaned, kept: Bounds, hjd: Float64Array, removed_later: Sequence[Sequence[int]]
) -> Report:
    """Account for every row, from what came in to what is kept of the cleaned series.

    Parameters
    ----------
    cleaned : Cleaned
        The candidate.
    kept : tuple of 4 int
        Rows kept: those of site i are ``kept[i]:kept[i + 1]``.
    hjd : float64 [n]
        Their HJD - 2450000, ascending per site.
    removed_later : three sequences of int
        Rows removed per site by each of `LATER_RULES`.
    """
    bounds = cleaned.rows.site_bounds
    auxiliaries = cleaned.series.auxiliaries()
    removed_first = kernels.count_rules(cleaned.rows.rule, bounds, len(ROW_RULES))
    sites = []
    for index, (start, stop) in enumerate(pairwise(bounds)):
        merged = cleaned.merged[index]
        removed = dict(zip(RULES, (*removed_first[index], merged.n_old, *removed_later[index]), strict=True))
        removed["duplicate"] += merged.n_repeated
        first, end = kept[index], kept[index + 1]
        sites.append(
            SiteReport(
                site=SITES[index],
                rows_in=stop - start,
                rows_kept=end - first,
                removed=removed,
                hjd_last=float(hjd[end - 1]) if end > first else None,
                auxiliaries=auxiliaries[index],
                datasets=merged.datasets,
            )
        )
    ctio, saao, sso = sites
    return Report((ctio, saao, sso))


def _assemble(rows: Rows, t_cut: float, t_break: float | None, options: PreprocessingOptions) -> Cleaned:
    if t_break is not None and not math.isfinite(t_break):
        raise ValueError(f"t_break must be finite, got {t_break}")
    series, merged = merge(rows, t_break=t_break, options=options)
    return Cleaned(t_cut, t_break, options, rows, series, merged)
