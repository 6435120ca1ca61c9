"""Eq. 1 of Viaña et al. 2025 fitted to joint datasets of a star, again and again as rows are added.

A light curve is fitted again at every run of a season, each time with a few more rows. So sums up to
each row are taken once; the sums after a break k among the first n rows, with x = t - t_k, are then

    S_x(k)  = C(n) (t_n - t_k) - (U(n) - U(k)),    U(k) = sum over j < k of C(j) (t_{j+1} - t_j),

with C the sum of w up to a row; S_xf likewise with w f; and by the trapezoidal rule, exact here,

    S_xx(k) = sum over j >= k of (S_x(j) + S_x(j+1)) (t_{j+1} - t_j).

Nothing of second order is a difference of large sums, so that breaks minutes before the last row keep
7 digits. All datasets share the grid of all rows, so that their sums add up to those of a joint fit;
datasets that are never fitted alone are added up before anything else is done with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from stream_worker.preprocessing.light_curve import Float64Array, IntArray


@dataclass(frozen=True, slots=True)
class Line:
    """The best broken line that rises.

    ``t_break`` is the epoch of the row at which it breaks, the newest if nothing rises; ``slope`` flux
    per day after; ``delta_chi2`` >= 0 the chi-square of the best flat line minus its own.
    """

    t_break: float
    slope: float
    delta_chi2: float


@dataclass(frozen=True, slots=True, eq=False)
class Suffixes:
    """Sums after each of the first n rows, per group of datasets, of fluxes less the datasets' levels.

    ``t`` float64 [n]; ``x``, ``xx``, ``xf`` float64 [g, n] sums of w x, w x^2, w x f over the later rows
    of each group; ``w``, ``wf`` [g] sums of w and w f over all its rows.
    """

    t: Float64Array
    x: Float64Array
    xx: Float64Array
    xf: Float64Array
    w: list[float]
    wf: list[float]

    def fit(self, groups: Sequence[int], rows: IntArray) -> Line:
        """Return the best line of ``groups`` together; of equal ones the earliest break wins.

        ``rows`` [m], m >= 1, are the positions of the groups' rows, ascending.
        """
        total = sum(self.w[group] for group in groups)
        mean = sum(self.wf[group] for group in groups) / total
        x, xx, xf = (_joint(sums, groups, rows) for sums in (self.x, self.xx, self.xf))
        xf -= mean * x
        np.maximum(xf, 0.0, out=xf)
        xf[-1] = 0.0
        x *= x
        x *= 1.0 / total
        xx -= x  # now about the means
        delta_chi2 = np.zeros(rows.size)
        np.divide(xf * xf, xx, out=delta_chi2, where=xx > 0)
        best = int(delta_chi2.argmax())
        if not delta_chi2[best] > 0:
            return Line(float(self.t[rows[-1]]), 0.0, 0.0)
        return Line(float(self.t[rows[best]]), float(xf[best] / xx[best]), float(delta_chi2[best]))


@dataclass(frozen=True, slots=True, eq=False)
class Prefixes:
    """Sums up to each row.

    ``t`` float64 [n], ascending, of all datasets together; ``groups`` the datasets of each group;
    ``w`` float64 [k, n] sums of w over the rows of each dataset up to and with a row, ``wf`` [g, n] of
    w f of each group; ``w_integral``, ``wf_integral`` the integrals of those over time.
    """

    t: Float64Array
    groups: Sequence[Sequence[int]]
    w: Float64Array
    wf: Float64Array
    w_integral: Float64Array
    wf_integral: Float64Array

    @classmethod
    def of(
        cls,
        t: Float64Array,
        flux: Float64Array,
        flux_err: Float64Array,
        dataset: IntArray,
        groups: Sequence[Sequence[int]],
    ) -> Self:
        """Sum rows [n] that ascend in time.

        ``dataset`` int [n] tells which dataset each belongs to, ``groups`` the datasets that are only
        ever fitted together; each is in one group.
        """
        n_datasets, each_row = sum(len(group) for group in groups), np.arange(t.size)
        group_of = np.empty(n_datasets, dtype=np.intp)
        for g, group in enumerate(groups):
            group_of[list(group)] = g
        weight = 1.0 / np.square(flux_err)
        w = np.zeros((n_datasets, t.size))
        w[dataset, each_row] = weight
        wf = np.zeros((len(groups), t.size))
        wf[group_of[dataset], each_row] = weight * flux
        w, wf = w.cumsum(axis=1), wf.cumsum(axis=1)
        return cls(t, groups, w, wf, _integral(w, t), _integral(wf, t))

    def after_breaks(self, n: int, levels: Float64Array) -> Suffixes:
        """Return the sums after each of the first ``n`` rows, n >= 1, once ``levels`` [k] are subtracted."""
        t = self.t[:n]
        before_end = t[-1] - t
        of_datasets = _after(self.w, self.w_integral, before_end)
        xf = _after(self.wf, self.wf_integral, before_end)
        w, wf = self.w[:, n - 1].tolist(), self.wf[:, n - 1].tolist()
        x = np.zeros_like(xf)
        for g, group in enumerate(self.groups):
            for dataset in group:
                x[g] += of_datasets[dataset]
                xf[g] -= levels[dataset] * of_datasets[dataset]
                wf[g] -= float(levels[dataset]) * w[dataset]
        trapezoids = x[:, 1:] + x[:, :-1]
        trapezoids *= t[1:] - t[:-1]
        xx = np.zeros_like(x)
        xx[:, :-1] = trapezoids[:, ::-1].cumsum(axis=1)[:, ::-1]
        return Suffixes(t, x, xx, xf, [sum(w[d] for d in group) for group in self.groups], wf)


def _integral(sums: Float64Array, t: Float64Array) -> Float64Array:
    """Return the integral up to each row of what is ``sums`` [k, n] from one row to the next."""
    integral = np.zeros_like(sums)
    np.cumsum(sums[:, :-1] * (t[1:] - t[:-1]), axis=1, out=integral[:, 1:])
    return integral


def _after(sums: Float64Array, integrals: Float64Array, before_end: Float64Array) -> Float64Array:
    """Return the sums of w x (w x f) after each of the first n rows; ``before_end`` [n] is t_n - t."""
    n = before_end.size
    after: Float64Array = sums[:, n - 1 : n] * before_end
    after -= integrals[:, n - 1 : n]
    after += integrals[:, :n]
    return after


def _joint(sums: Float64Array, groups: Sequence[int], rows: IntArray) -> Float64Array:
    """Return the groups' sums at their rows; where those are all rows, without looking each up."""
    all_rows = rows.size == sums.shape[1]
    joint: Float64Array = np.zeros(rows.size)
    for group in groups:
        joint += sums[group] if all_rows else sums[group].take(rows)
    return joint
