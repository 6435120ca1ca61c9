"""Steps 0 and 2: merge the datasets of overlapping fields per site, keep the newest rows.

Overlapping fields are reduced apart and so differ by an arbitrary flux offset (Viaña et al. 2025,
sec. 5.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from stream_worker.preprocessing import kernels
from stream_worker.preprocessing.light_curve import SITE_POSITIONS, SITES, Float64Array, IntArray
from stream_worker.preprocessing.options import PreprocessingOptions
from stream_worker.preprocessing.report import DatasetReport, OffsetMethod
from stream_worker.preprocessing.robust import median
from stream_worker.preprocessing.rows import FLUX, HJD, Rows
from stream_worker.preprocessing.series import Series, tell_absent

_MIN_BEFORE_BREAK: Final = 3
_Field = tuple[int, str, int]  # minus the number of its valid rows, its name, its place among the datasets


@dataclass(frozen=True, slots=True, eq=False)
class MergedSite:
    """How the datasets of one site were merged.

    Parameters
    ----------
    columns : float64 [7, n]
        `COLUMNS` of the site's rows.
    source : int [n]
        Which dataset each comes from.
    datasets : tuple of DatasetReport
        Datasets with valid rows, the reference first.
    n_repeated : int
        Rows dropped because another dataset has their HJD.
    n_old : int
        Rows dropped because they are not among the newest `max_points`.
    """

    columns: Float64Array
    source: IntArray
    datasets: tuple[DatasetReport, ...] = ()
    n_repeated: int = 0
    n_old: int = 0


def merge(
    rows: Rows, *, t_break: float | None, options: PreprocessingOptions
) -> tuple[Series, tuple[MergedSite, ...]]:
    """Merge the valid rows of each site's datasets and keep the newest `max_points` per site.

    The dataset with most valid rows (then the first by name) is the reference; the others join in
    that order, each moved by the median over the nights common with those before of the difference
    of the nights' inverse-variance means; without enough such nights by the difference of the
    medians before t_break, or of all where there is no t_break or fewer than three rows before it.
    At an HJD that two datasets have, the row of the one that came first stays.
    """
    valid = rows.valid()
    n_rows = [stop - start for start, stop in pairwise(valid.bounds)]
    source = np.repeat(np.arange(len(n_rows)), n_rows)
    fields: list[list[_Field]] = [[] for _ in SITES]
    for index, (dataset, n) in enumerate(zip(valid.datasets, n_rows, strict=True)):
        if n:
            fields[dataset.site].append((-n, dataset.name, index))
    ctio, saao, sso = (
        _merge_site(valid, source, sorted(fields[site]), SITES[site], t_break, options)
        for site in range(len(SITES))
    )
    sites = (ctio, saao, sso)
    if all(len(site.datasets) <= 1 and not site.n_old for site in sites):
        columns, bounds = valid.columns, valid.site_bounds
    else:
        columns = np.concatenate([site.columns for site in sites], axis=1)
        source = np.concatenate([site.source for site in sites])
        n_ctio, n_saao, n_sso = (site.source.size for site in sites)
        bounds = (0, n_ctio, n_ctio + n_saao, n_ctio + n_saao + n_sso)
    return tell_absent(bounds, columns, rows.datasets, source, options.min_measured_fraction), sites


def _merge_site(
    valid: Rows,
    sources: IntArray,
    fields: list[_Field],
    site: str,
    t_break: float | None,
    options: PreprocessingOptions,
) -> MergedSite:
    if not fields:
        return MergedSite(valid.columns[:, :0], sources[:0])

    def rows_of(index: int) -> tuple[Float64Array, IntArray]:
        mine = slice(valid.bounds[index], valid.bounds[index + 1])
        return valid.columns[:, mine], sources[mine]

    columns, source = rows_of(fields[0][2])
    reports = [DatasetReport(fields[0][1], source.size, 0.0, "reference")]
    n_repeated = 0
    for _, name, index in fields[1:]:
        other, _ = rows_of(index)
        n = other.shape[1]
        offset, method = _offset(columns, other, SITE_POSITIONS[site].longitude, t_break, options)
        reports.append(DatasetReport(name, n, offset, method))
        n_both = source.size + n
        columns, source = kernels.interleave(columns, source, other, index, offset)
        n_repeated += n_both - source.size
    n_old = max(source.size - options.max_points, 0)
    return MergedSite(columns[:, n_old:], source[n_old:], tuple(reports), n_repeated, n_old)


def _offset(
    base: Float64Array,
    other: Float64Array,
    longitude: float,
    t_break: float | None,
    options: PreprocessingOptions,
) -> tuple[float, OffsetMethod]:
    """Return the flux to add to `other` so that it continues `base`, and where it comes from."""
    n_common, difference = kernels.night_offset(base, other, longitude)
    if n_common >= options.min_common_nights:
        return difference, "common_nights"
    if t_break is not None:
        before, other_before = (columns[FLUX, columns[HJD] < t_break] for columns in (base, other))
        if min(before.size, other_before.size) >= _MIN_BEFORE_BREAK:
            return median(before) - median(other_before), "pre_break_medians"
    return median(base[FLUX]) - median(other[FLUX]), "medians"
