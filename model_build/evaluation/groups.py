"""What passes, by what the event, the star or the artefact is like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from model_build.bootstrap import Estimate, Resampling, estimate, shares
from model_build.evaluation.scored import Scored
from model_build.season.review import EVENT
from model_build.season_report.record import SeasonRecord
from stream_worker.bundle import CLASSES
from stream_worker.preprocessing.light_curve import Float64Array, IntArray


@dataclass(frozen=True, slots=True)
class Rates:
    """Of the candidates of one class in one group.

    ``passed`` are shares at or above each threshold, by its name; ``named`` is the share whose likeliest
    class is their own.
    """

    n: int
    passed: Mapping[str, Estimate]
    named: Estimate


@dataclass(frozen=True, slots=True)
class Group:
    """One group of a quantity: rates of each class that it has."""

    name: str
    of: Mapping[str, Rates]


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """Groups that candidates fall into: the place of each in ``names``, -1 for none, int [n]."""

    title: str
    names: tuple[str, ...]
    place: IntArray


_MAGNIFICATIONS: Final = (1.0, 1.34, 2.0, 4.0, 10.0, np.inf)
_TIMESCALES: Final = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0, np.inf)
_MAGNITUDES: Final = (-np.inf, 16.0, 17.0, 18.0, 19.0, 20.0, 21.0, np.inf)


def quantities(scored: Scored, record: SeasonRecord) -> tuple[Quantity, ...]:
    """Groups by peak magnification and t_E (own events only), magnitude, cadence, sites and hidden kind."""
    rows = scored.rows
    own = np.array([row.kind == EVENT for row in rows])
    u_0 = np.array([np.nan if row.u_0 is None else row.u_0 for row in rows])
    t_e = np.array([np.nan if row.t_E is None else row.t_E for row in rows])
    cadence = np.array([record.config.fields[row.field].cadence for row in rows])
    kinds = sorted(set(scored.kinds.tolist()))
    return (
        binned("A_peak", np.where(own, peak_magnification(u_0), np.nan), _MAGNIFICATIONS),
        binned("t_E, days", np.where(own, t_e, np.nan), _TIMESCALES),
        binned("I at baseline", np.array([row.i_base for row in rows]), _MAGNITUDES),
        named("exposures an hour of the field", [f"{value:g}" for value in cadence], sorted(set(cadence))),
        named("sites with data", [str(n) for n in scored.sites], range(4)),
        named("what it is", scored.kinds.tolist(), kinds),
    )


def peak_magnification(u_0: Float64Array) -> Float64Array:
    """Peak magnification of a point lens and source, (u_0^2 + 2) / (u_0 sqrt(u_0^2 + 4)) (Paczynski 1986)."""
    u = np.maximum(np.abs(u_0), 1e-9)
    return np.asarray((u**2 + 2.0) / (u * np.sqrt(u**2 + 4.0)), dtype=np.float64)


def binned(title: str, values: Float64Array, edges: Sequence[float]) -> Quantity:
    """Group values [n] by edges, lower ones inclusive; NaN is in no group."""
    place = np.searchsorted(edges, values, side="right") - 1
    place[~np.isfinite(values)] = -1
    return Quantity(title, tuple(_span(low, high) for low, high in pairwise(edges)), place)


def named(title: str, values: Sequence[str], order: Sequence[object]) -> Quantity:
    """Group values by their names, in the order given (numbers as ``:g`` writes them)."""
    names = tuple(f"{name:g}" if isinstance(name, float) else str(name) for name in order)
    place = {name: number for number, name in enumerate(names)}
    return Quantity(title, names, np.array([place[value] for value in values], np.intp))


def rates_by_group(
    resampling: Resampling, scored: Scored, quantity: Quantity, thresholds: Mapping[str, float]
) -> tuple[Group, ...]:
    """Rates of each class in each group that has candidates; all of them need a label."""
    labels = scored.labels
    n_cells = (len(quantity.names) + 1) * len(CLASSES)
    cell = np.where(quantity.place < 0, len(quantity.names), quantity.place) * len(CLASSES) + labels
    of = resampling.histogram(cell, n_cells)
    passed = {
        name: shares(resampling.histogram(cell, n_cells, scored.p_review >= threshold), of)
        for name, threshold in thresholds.items()
    }
    right = scored.class_probabilities.argmax(axis=1) == labels
    named_right = shares(resampling.histogram(cell, n_cells, right), of)
    groups = []
    for place, name in enumerate(quantity.names):
        cells = {
            label: number
            for label, number in zip(CLASSES, range(place * len(CLASSES), n_cells), strict=False)
            if of[0, number] > 0
        }
        rates = {
            label: Rates(
                int(of[0, number]),
                {which: estimate(share[:, number]) for which, share in passed.items()},
                estimate(named_right[:, number]),
            )
            for label, number in cells.items()
        }
        if rates:
            groups.append(Group(name, rates))
    return tuple(groups)


def _span(low: float, high: float) -> str:
    if not np.isfinite(low) or low == 0.0:
        return f"below {high:g}"
    return f"{low:g} and more" if not np.isfinite(high) else f"{low:g} to {high:g}"
