"""The observations of the three sites, merged, and which auxiliaries they have."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from operator import or_
from typing import Final

import numpy as np

from stream_worker.preprocessing import kernels
from stream_worker.preprocessing.light_curve import AUXILIARIES, SITES, BoolArray, Float64Array, IntArray
from stream_worker.preprocessing.rows import HJD, SKY, Dataset, SiteBounds

_NOT_COMPUTABLE: Final = [index for index, name in enumerate(AUXILIARIES) if name != "airmass"]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The valid observations of the three sites, each ascending in HJD, one per HJD.

    Parameters
    ----------
    bounds : tuple of 4 int
        Site i of `SITES` has the columns ``bounds[i]:bounds[i + 1]`` of the matrix.
    columns : float64 [7, n]
        `COLUMNS` as rows; an auxiliary that the row's dataset lacks is NaN.
    datasets : tuple of Dataset
        What the rows may come from.
    source : int [n]
        Which dataset each row comes from.
    has : bool [n_datasets, 4]
        Which of `AUXILIARIES` each dataset has; none if none of its rows is left.
    incomplete : bool [n]
        Rows in which a value is missing that the dataset has elsewhere and that can't be computed.
    """

    bounds: SiteBounds
    columns: Float64Array
    datasets: tuple[Dataset, ...]
    source: IntArray
    has: BoolArray
    incomplete: BoolArray

    def site(self, index: int) -> Float64Array:
        """Return the columns [7, n_site] of site `index`."""
        return self.columns[:, self.bounds[index] : self.bounds[index + 1]]

    @property
    def hjd(self) -> tuple[Float64Array, Float64Array, Float64Array]:
        """HJD - 2450000 [n_site] of each site."""
        return self.site(0)[HJD, :], self.site(1)[HJD, :], self.site(2)[HJD, :]

    def auxiliaries(self) -> list[tuple[str, ...]]:
        """Return, per site, the auxiliary columns that at least one of its datasets has."""
        measured = [[False] * len(AUXILIARIES) for _ in SITES]
        for dataset, has in zip(self.datasets, self.has.tolist(), strict=True):
            measured[dataset.site] = list(map(or_, measured[dataset.site], has))
        return [tuple(compress(AUXILIARIES, site)) for site in measured]


def tell_absent(
    bounds: SiteBounds,
    columns: Float64Array,
    datasets: tuple[Dataset, ...],
    source: IntArray,
    min_fraction: float,
) -> Series:
    """Tell, per dataset, an absent auxiliary column (set to NaN) from one with sporadic NaN.

    Absent is one of which less than `min_fraction` of the rows, or none, is finite. For the other
    parameters see `Series`.
    """
    n_rows = np.bincount(source, minlength=len(datasets))[:, None]
    n_missing = kernels.count_missing(columns, source, len(datasets))
    if not n_missing.any():
        has = np.repeat(n_rows > 0, len(AUXILIARIES), axis=1)
        return Series(bounds, columns, datasets, source, has, np.zeros(source.size, dtype=bool))
    missing: BoolArray = np.isnan(columns[SKY:])
    has = (n_missing < n_rows) & (n_rows - n_missing >= min_fraction * n_rows)
    incomplete: BoolArray = np.zeros(source.size, dtype=bool)
    if (has & (n_missing > 0)).any():
        incomplete = np.logical_or.reduce((missing & has.T.take(source, axis=1))[_NOT_COMPUTABLE])
    if (~has & (n_missing < n_rows)).any():
        columns = columns.copy()
        columns[SKY:][~has.T.take(source, axis=1)] = np.nan
    return Series(bounds, columns, datasets, source, has, incomplete)
