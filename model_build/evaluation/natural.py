"""What announcing at a threshold would mean on a natural stream, at the survey's base rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.bootstrap import Estimate, Resampling, estimate, interval, shares
from model_build.evaluation.scored import Scored
from model_build.evaluation.stream_stars import StreamStars, is_no
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray

PURITY: Final = 0.997
"""Share of Nos turned down that the survey asks for (Viaña et al. 2025, sec. 8.3)."""
QUANTILES: Final = (5, 25, 50, 75, 95)
_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class LeadTime:
    """Days from the first crossing of a threshold to t_0, of events first listed in the stream.

    ``before_peak`` is the share of crossings before t_0; ``quantiles`` are those of `QUANTILES`.
    """

    n: int
    quantiles: tuple[float, ...]
    before_peak: Estimate
    days: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Completeness:
    """Share of events that reach a threshold, and their numbers.

    At their first listing, at their last candidate up to the label's date (`StreamStars`), or ever.
    """

    first: Estimate
    last: Estimate
    ever: Estimate
    n_first: int
    n_last: int
    n: int


@dataclass(frozen=True, slots=True)
class Operation:
    """A threshold in operation; stars count once however often they are announced.

    Parameters
    ----------
    threshold
        A candidate whose score is at or above it is announced.
    no_accuracy
        Share of the Nos, candidates of stars labelled No, that are turned down.
    false_per_night
        Stars announced that are neither an event nor a ghost of one, per night of the stream.
    ghosts_per_night
        Announced ghosts; grouping neighbours leaves the event itself.
    precision
        Events among the stars announced, ghosts left out; with them in ``precision_with_ghosts``.
    events, confirmed
        Of all events in the stream, and of those labelled Yes.
    announced
        Stars announced by hidden kind.
    """

    threshold: float
    no_accuracy: Estimate
    false_per_night: Estimate
    ghosts_per_night: Estimate
    precision: Estimate
    precision_with_ghosts: Estimate
    events: Completeness
    confirmed: Completeness
    lead_time: LeadTime
    announced: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AtPurity:
    """Completeness at the smallest threshold that turns down `PURITY` of the Nos.

    In each draw of the bootstrap the threshold is chosen anew, so that the intervals hold its uncertainty.
    """

    threshold: Estimate
    no_accuracy: Estimate
    n_no: int
    events_last: Estimate
    confirmed_last: Estimate


def operate(
    resampling: Resampling,
    of_stars: Resampling,
    scored: Scored,
    stars: StreamStars,
    p: Float64Array,
    threshold: float,
    nights: int,
) -> Operation:
    """Count what a threshold of a score ``p`` [n candidates] announces.

    ``resampling`` is of candidates, ``of_stars`` of stars.
    """
    no = is_no(scored)
    turned_down = resampling.totals(np.column_stack([no & (p < threshold), no]))
    best = stars.best(p)
    announced = best >= threshold
    false = ~stars.is_event & ~stars.is_ghost
    sums = of_stars.totals(
        np.column_stack([announced & group for group in (stars.is_event, stars.is_ghost, false)])
    )
    kinds, counts = np.unique(stars.kind[announced], return_counts=True)
    return Operation(
        threshold=threshold,
        no_accuracy=estimate(shares(turned_down[:, 0], turned_down[:, 1])),
        false_per_night=estimate(sums[:, 2] / nights),
        ghosts_per_night=estimate(sums[:, 1] / nights),
        precision=estimate(shares(sums[:, 0], sums[:, 0] + sums[:, 2])),
        precision_with_ghosts=estimate(shares(sums[:, 0], sums.sum(axis=1))),
        events=_completeness(of_stars, p, stars, stars.is_event, threshold),
        confirmed=_completeness(of_stars, p, stars, stars.is_confirmed, threshold),
        lead_time=_lead_time(of_stars, scored, stars, p, threshold),
        announced=dict(zip(kinds.tolist(), counts.tolist(), strict=True)),
    )


def at_purity(
    resampling: Resampling,
    of_stars: Resampling,
    scored: Scored,
    stars: StreamStars,
    p: Float64Array,
    purity: float = PURITY,
) -> AtPurity | None:
    """Choose the threshold of a score ``p`` by the stream's own Nos; None where there are none.

    ``of_stars`` must resample the same clusters with the same seed as ``resampling``.
    """
    no = np.flatnonzero(is_no(scored))
    if not no.size:
        return None
    no = no[np.argsort(p[no], kind="stable")]
    thresholds, accuracy = _purest(p[no], resampling.weights(), no, purity)
    found = []
    for group in (stars.is_event, stars.is_confirmed):
        seen = np.flatnonzero(group & (stars.last >= 0))
        at_last = p[stars.last[seen]]
        weights = np.concatenate([np.ones((1, seen.size)), of_stars.weights()[:, seen]])
        hits = (at_last >= thresholds[:, np.newaxis]) * weights
        found.append(estimate(shares(hits.sum(axis=1), weights.sum(axis=1))))
    fixed = resampling.totals(np.column_stack([is_no(scored) & (p < thresholds[0]), is_no(scored)]))
    ends = interval(shares(fixed[1:, 0], fixed[1:, 1]))
    return AtPurity(
        threshold=estimate(thresholds),
        no_accuracy=Estimate(accuracy, float(ends[0]), float(ends[1])),
        n_no=int(no.size),
        events_last=found[0],
        confirmed_last=found[1],
    )


def _purest(p: Float64Array, weights: np.ndarray, no: IntArray, purity: float) -> tuple[Float64Array, float]:
    """Smallest thresholds [1 + draws] below which ``purity`` of ascending scores lie; the first one's share.

    A threshold lies just above the score that has to be turned down last.
    """
    thresholds = [_above(p, np.ones(p.size), purity)]
    for start in range(0, len(weights), _AT_ONCE):
        thresholds += [_above(p, row, purity) for row in weights[start : start + _AT_ONCE][:, no]]
    return np.array(thresholds), float(np.mean(p < thresholds[0]))


def _above(p: Float64Array, weights: np.ndarray, purity: float) -> float:
    sums = np.cumsum(weights, dtype=np.float64)
    if not sums[-1]:
        return np.nan
    place = int(np.searchsorted(sums, purity * sums[-1] * (1.0 - 1e-12)))
    return float(np.nextafter(p[place], np.inf))


def _completeness(
    of_stars: Resampling, p: Float64Array, stars: StreamStars, group: BoolArray, threshold: float
) -> Completeness:
    shown = []
    for at in (stars.first, stars.last):
        seen = group & (at >= 0)
        sums = of_stars.totals(np.column_stack([seen & (p[at] >= threshold), seen]))
        shown.append((estimate(shares(sums[:, 0], sums[:, 1])), int(seen.sum())))
    ever = of_stars.totals(np.column_stack([group & (stars.best(p) >= threshold), group]))
    (first, n_first), (last, n_last) = shown
    return Completeness(
        first, last, estimate(shares(ever[:, 0], ever[:, 1])), n_first, n_last, int(group.sum())
    )


def _lead_time(
    of_stars: Resampling, scored: Scored, stars: StreamStars, p: Float64Array, threshold: float
) -> LeadTime:
    t_cut = np.array([row.t_cut for row in scored.rows])
    crossing = np.full(stars.cluster.size, np.inf)
    over = p >= threshold
    np.minimum.at(crossing, stars.star[over], t_cut[over])
    seen = stars.is_event & (stars.first >= 0) & np.isfinite(crossing)
    lead = np.where(seen, stars.t_0 - np.where(seen, crossing, 0.0), np.nan)
    sums = of_stars.totals(np.column_stack([seen & (lead > 0.0), seen]))
    days = lead[seen]
    quantiles = np.percentile(days, QUANTILES) if days.size else np.full(len(QUANTILES), np.nan)
    return LeadTime(
        int(seen.sum()),
        tuple(quantiles.tolist()),
        estimate(shares(sums[:, 0], sums[:, 1])),
        tuple(days.tolist()),
    )
