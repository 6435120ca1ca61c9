"""Steps 0 and 1: all datasets in one matrix, in order, with the rules on single rows judged.

All sites are kept side by side in one matrix, since a call of numpy costs more than its work on a
few hundred rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_worker.preprocessing.light_curve import COLUMNS, SITES, BoolArray, Float64Array, LightCurve
from stream_worker.preprocessing.report import ROW_RULES

HJD, FLUX, FLUX_ERR, SKY, FWHM, AIRMASS, PSF = range(len(COLUMNS))
Bounds = tuple[int, ...]
"""Where segments of columns begin and end: segment i is ``bounds[i]:bounds[i + 1]``."""
SiteBounds = tuple[int, int, int, int]
KEPT: Final = 0
_CODE: Final = {name: code for code, name in enumerate(ROW_RULES, start=1)}
_HUGE: Final = 1e30  # beyond any measurement: such values count as infinite, so that squares stay finite
_TINY: Final = 1e-30  # errors below count as zero, so that weights stay finite
_PSF_QUALITY_MAX: Final = 100.0


@dataclass(frozen=True, slots=True)
class Dataset:
    """Name of a dataset and the position of its site in `SITES`."""

    site: int
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """All rows of all datasets up to t_cut, judged but not yet dropped.

    Parameters
    ----------
    datasets : tuple of Dataset
        By site, then by name.
    bounds : tuple of int, one more than datasets
        Dataset i has the columns ``bounds[i]:bounds[i + 1]`` of the matrix.
    columns : float64 [7, n]
        `COLUMNS` as rows, each dataset ascending in HJD (NaN last); what isn't measured is NaN.
    rule : int8 [n]
        0 for a valid row, else 1 + the position in `ROW_RULES` of the rule that removes it.
    """

    datasets: tuple[Dataset, ...]
    bounds: tuple[int, ...]
    columns: Float64Array
    rule: NDArray[np.int8]

    @property
    def site_bounds(self) -> SiteBounds:
        """Where the sites begin and end: site i of `SITES` is ``[i]:[i + 1]``."""
        sites = [dataset.site for dataset in self.datasets]  # ascending
        ctio, saao, sso, end = (self.bounds[bisect_left(sites, site)] for site in range(len(SITES) + 1))
        return ctio, saao, sso, end

    def between(self, t_first: float | None, t_last: float | None) -> Rows:
        """Return the rows with t_first <= HJD <= t_last; rows without HJD stay to be counted."""
        hjd = self.columns[HJD]
        keep = np.ones(hjd.size, dtype=bool)
        if t_first is not None:
            keep &= ~(hjd < t_first)
        if t_last is not None:
            keep &= ~(hjd > t_last)
        return self.select(keep)

    def valid(self) -> Rows:
        """Return the valid rows."""
        return self.select(self.rule == KEPT) if self.rule.any() else self

    def select(self, keep: BoolArray) -> Rows:
        """Return the rows where `keep` [n] is true."""
        return Rows(
            self.datasets,
            count_kept(keep, self.bounds),
            self.columns.compress(keep, axis=1),
            self.rule[keep],
        )


def count_kept(keep: BoolArray, bounds: tuple[int, ...]) -> tuple[int, ...]:
    """Return where the segments given by `bounds` lie once only the rows of `keep` are left."""
    return tuple(accumulate((int(np.count_nonzero(keep[a:b])) for a, b in pairwise(bounds)), initial=0))


def read_rows(light_curves: Iterable[LightCurve], t_cut: float) -> Rows:
    """Return the rows of one candidate; see `read_rows_each`."""
    (rows,) = read_rows_each([light_curves], [t_cut])
    return rows


def read_rows_each(candidates: Sequence[Iterable[LightCurve]], t_cuts: Sequence[float]) -> list[Rows]:
    """Return each candidate's rows up to its t_cut, sorted and judged; infinite and absurd values become NaN.

    Neither the order of the light curves nor that of their rows matters; parts of one dataset
    that come apart are one dataset. The rows are views of one matrix of all candidates.
    """
    parts = [sorted(curves, key=lambda lc: (SITES.index(lc.site), lc.dataset)) for curves in candidates]
    columns = _stack([part for mine in parts for part in mine])
    layouts = [_datasets(mine) for mine in parts]
    datasets, bounds = [mine for mine, _ in layouts], [mine for _, mine in layouts]
    first = list(accumulate((mine[-1] for mine in bounds), initial=0))
    late = columns[HJD] > np.repeat(t_cuts, np.diff(first))
    if late.any():
        early = ~late
        bounds = [
            count_kept(early[start:stop], mine)
            for (start, stop), mine in zip(pairwise(first), bounds, strict=True)
        ]
        first = list(accumulate((mine[-1] for mine in bounds), initial=0))
        columns = columns.compress(early, axis=1)
    if not (columns.min(initial=0.0) > -_HUGE and columns.max(initial=0.0) < _HUGE):  # so also with NaN
        columns[~((columns > -_HUGE) & (columns < _HUGE))] = np.nan
    rule = _judge(columns)
    rows = [
        Rows(its_datasets, mine, columns[:, start:stop], rule[start:stop])
        for its_datasets, mine, (start, stop) in zip(datasets, bounds, pairwise(first), strict=True)
    ]
    for one in rows:
        if not _ascending(one.columns[HJD], one.bounds):
            _sort_and_mark_duplicates(one.columns, one.rule, one.bounds)
    return rows


def _stack(parts: list[LightCurve]) -> Float64Array:
    """Copy light curves into one matrix [7, n]."""
    columns = np.empty((len(COLUMNS), sum(part.hjd.size for part in parts)))
    stop = 0
    for part in parts:
        start, stop = stop, stop + part.hjd.size
        for row, name in zip(columns, COLUMNS, strict=True):
            values = getattr(part, name)
            row[start:stop] = np.nan if values is None else values
    columns += 0.0  # -0.0 becomes 0.0, so that equal rows are equal to the bit
    return columns


def _datasets(parts: list[LightCurve]) -> tuple[tuple[Dataset, ...], tuple[int, ...]]:
    """Return the datasets of a candidate's sorted parts, and where they lie."""
    datasets: list[Dataset] = []
    bounds = [0]
    stop = 0
    for part in parts:
        stop += part.hjd.size
        dataset = Dataset(SITES.index(part.site), part.dataset)
        if datasets and datasets[-1] == dataset:
            bounds[-1] = stop
        else:
            datasets.append(dataset)
            bounds.append(stop)
    return tuple(datasets), tuple(bounds)


def _judge(columns: Float64Array) -> NDArray[np.int8]:
    """Return the rule that each row breaks; comparisons with NaN are false: not measured is no fault."""
    rule = np.zeros(columns.shape[1], dtype=np.int8)
    fwhm, psf_quality = columns[FWHM], columns[PSF]
    for name, broken in (
        ("fwhm", fwhm < 0),
        ("psf_quality", (psf_quality < 0) | (psf_quality > _PSF_QUALITY_MAX)),
        ("flux_err", columns[FLUX_ERR] < _TINY),
        ("not_finite", np.isnan(columns[: FLUX_ERR + 1]).any(axis=0)),
    ):
        if broken.any():
            rule[broken] = _CODE[name]
    return rule


def _ascending(hjd: Float64Array, bounds: tuple[int, ...]) -> bool:
    """Tell whether each dataset is ascending without repeats; one with NaN beside a row is not."""
    rising = hjd[1:] > hjd[:-1]
    rising[[bound - 1 for bound in bounds if 0 < bound < hjd.size]] = True
    return bool(rising.all())


def _sort_and_mark_duplicates(columns: Float64Array, rule: NDArray[np.int8], bounds: tuple[int, ...]) -> None:
    """Sort each dataset in place and keep one valid row per HJD: smallest error, then smallest rest.

    That order is total, so that the choice does not depend on the order of the rows.
    """
    for start, stop in pairwise(bounds):
        mine, its_rule = columns[:, start:stop], rule[start:stop]
        hjd = mine[HJD]
        order = np.argsort(hjd)
        if (hjd[order[1:]] == hjd[order[:-1]]).any():
            others = [mine[c] for c in (PSF, AIRMASS, FWHM, SKY, FLUX, FLUX_ERR)]
            order = np.lexsort((*others, its_rule, hjd))
        mine[:], its_rule[:] = mine.take(order, axis=1), its_rule[order]
        repeated = hjd[1:] == hjd[:-1]
        its_rule[1:][repeated & (its_rule[1:] == KEPT)] = _CODE["duplicate"]
