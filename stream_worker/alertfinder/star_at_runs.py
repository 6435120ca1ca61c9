"""One star at the runs of a season: rows, medians and high points known at each, without look-ahead."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from stream_worker.preprocessing import SITES
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray
from stream_worker.preprocessing.rows import FLUX, FLUX_ERR, HJD, Rows

SUBSETS: Final = tuple(c for size in (1, 2, 3) for c in combinations(range(len(SITES)), size))
"""Combinations of sites, as positions in `SITES`; single sites first, in order."""


@dataclass(frozen=True, slots=True, eq=False)
class StarAtRuns:
    """A star's unmasked rows, all datasets together, and what the runs know of them.

    ``t``, ``flux``, ``flux_err``, ``dataset`` [n] ascend in time; ``sites`` int [k] and ``names`` tell
    the datasets; ``datasets`` and ``rows`` the positions of those of each of `SUBSETS`; ``n_rows`` int
    [d] counts the rows up to each run; ``n_points`` int, ``medians`` float64 [d, k] are those of each
    dataset (0 if it has none yet).
    """

    t: Float64Array
    flux: Float64Array
    flux_err: Float64Array
    dataset: IntArray
    sites: IntArray
    names: tuple[str, ...]
    datasets: tuple[tuple[int, ...], ...]
    rows: tuple[IntArray, ...]
    n_rows: IntArray
    n_points: IntArray
    medians: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class HighPoints:
    """Per run and subset [d, 7]: how many newest points are high, whether enough, whether fresh."""

    count: IntArray
    enough: BoolArray
    fresh: BoolArray


def star_at_runs(rows: Rows, t_cuts: Float64Array) -> StarAtRuns:
    """Put the datasets of ``rows`` together and look at them at runs ``t_cuts`` [d], ascending."""
    dataset = np.repeat(np.arange(len(rows.datasets)), np.diff(rows.bounds))
    order = np.argsort(rows.columns[HJD], kind="stable")
    t, flux, flux_err = (rows.columns[column, order] for column in (HJD, FLUX, FLUX_ERR))
    dataset = dataset[order]
    sites = np.array([one.site for one in rows.datasets], dtype=np.intp)
    has = np.array([np.isin(sites, subset) for subset in SUBSETS])
    of_each = [dataset == k for k in range(sites.size)]
    n_points = [np.searchsorted(t[mine], t_cuts, side="right") for mine in of_each]
    medians = [_running_medians(flux[mine], counts) for mine, counts in zip(of_each, n_points, strict=True)]
    return StarAtRuns(
        t=t,
        flux=flux,
        flux_err=flux_err,
        dataset=dataset,
        sites=sites,
        names=tuple(one.name for one in rows.datasets),
        datasets=tuple(tuple(np.flatnonzero(mine).tolist()) for mine in has),
        rows=tuple(np.flatnonzero(mine[dataset]) for mine in has),
        n_rows=np.searchsorted(t, t_cuts, side="right"),
        n_points=np.array(n_points, dtype=np.intp).T,
        medians=np.array(medians).T,
    )


def _running_medians(values: Float64Array, counts: IntArray) -> Float64Array:
    """Return the medians of the first ``counts`` [d] values, counts ascending; 0 of none."""
    ordered: list[float] = []
    medians = np.zeros(counts.size)
    numbers = values.tolist()
    for d, count in enumerate(counts.tolist()):
        for value in numbers[len(ordered) : count]:
            insort(ordered, value)
        half = count // 2
        if count:
            medians[d] = ordered[half] if count % 2 else 0.5 * (ordered[half - 1] + ordered[half])
    return medians


def high_points(
    star: StarAtRuns,
    t_cuts: Float64Array,
    *,
    n_high: int,
    n_newest: int,
    high_sigma: float,
    max_age_days: float,
    consecutive: bool,
) -> HighPoints:
    """Look at the ``n_newest`` newest points of every subset at every run.

    A point is high from ``high_sigma`` of its errors above its dataset's median on; ``n_high`` of
    them are enough, which must follow one another if ``consecutive``.
    """
    shape = (t_cuts.size, len(SUBSETS))
    high = HighPoints(
        np.zeros(shape, dtype=np.intp), np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    )
    back = np.arange(-n_newest, 0)
    runs = np.arange(t_cuts.size)[:, None]
    for s, subset in enumerate(SUBSETS):
        mine = star.rows[s]
        if not mine.size:
            continue
        n = np.searchsorted(t := star.t[mine], t_cuts, side="right")
        newest = n[:, None] + back
        rows = mine[np.maximum(newest, 0)]
        above = star.flux[rows] - star.medians[runs, star.dataset[rows]]
        is_high = (newest >= 0) & (above >= high_sigma * star.flux_err[rows])
        high.count[:, s] = is_high.sum(axis=1)
        high.fresh[:, s] = (n > 0) & (t_cuts - t[np.maximum(n - 1, 0)] < max_age_days)
        n_enough = _longest_run(is_high) if consecutive else high.count[:, s]
        complete = np.all([star.n_points[:, star.sites == site].any(axis=1) for site in subset], axis=0)
        high.enough[:, s] = high.fresh[:, s] & complete & (n_enough >= n_high)
    return high


def _longest_run(is_high: BoolArray) -> IntArray:
    """Return the length of the longest run of true values in each row [d, m]."""
    longest = np.zeros(len(is_high), dtype=np.intp)
    current = np.zeros_like(longest)
    for column in is_high.T:
        current = np.where(column, current + 1, 0)
        np.maximum(longest, current, out=longest)
    return longest
