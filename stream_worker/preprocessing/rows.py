"""Steps 0 and 1: all datasets in one matrix, in order, with the rules on single rows judged.

All sites are kept side by side in one matrix, since a call costs more than its work on a few hundred rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_worker.preprocessing import kernels
from stream_worker.preprocessing.light_curve import COLUMNS, SITES, BoolArray, Float64Array, LightCurve
from stream_worker.preprocessing.report import ROW_RULES

HJD, FLUX, FLUX_ERR, SKY, FWHM, AIRMASS, PSF = range(len(COLUMNS))
Bounds = tuple[int, ...]
"""Where segments of columns begin and end: segment i is ``bounds[i]:bounds[i + 1]``."""
SiteBounds = tuple[int, int, int, int]
KEPT: Final = 0
_DUPLICATE: Final = 1 + ROW_RULES.index("duplicate")
_columns_of: Final = attrgetter(*COLUMNS)


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
        columns, bounds = kernels.select(self.columns, keep.view(np.uint8), self.bounds)
        return Rows(self.datasets, bounds, columns, self.rule[keep])


def read_rows(light_curves: Iterable[LightCurve], t_cut: float) -> Rows:
    """Return the rows up to t_cut, sorted and judged; infinite and absurd values become NaN.

    Neither the order of the light curves nor that of their rows matters; parts of one dataset
    that come apart are one dataset.
    """
    parts = sorted(light_curves, key=lambda lc: (SITES.index(lc.site), lc.dataset))
    datasets, bounds = _datasets(parts)
    columns = kernels.stack([_columns_of(part) for part in parts])
    late = columns[HJD] > t_cut
    if late.any():
        columns, bounds = kernels.select(columns, (~late).view(np.uint8), bounds)
    rule = kernels.judge(columns)
    if not kernels.ascending(columns, bounds):
        _sort_and_mark_duplicates(columns, rule, bounds)
    return Rows(datasets, bounds, columns, rule)


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
        its_rule[1:][repeated & (its_rule[1:] == KEPT)] = _DUPLICATE
