"""What goes into the grouping of a partition, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

from stream_worker.neighbours.lifecycle import AlertType
from stream_worker.neighbours.star import Sighting, Space
from stream_worker.neighbours.verdict import Verdict
from stream_worker.outcome import OutcomeKind


@dataclass(frozen=True, slots=True)
class Arrival:
    """A score record as it arrives.

    Parameters
    ----------
    home
        Whether ``cell`` is the star's own; else it is a halo copy.
    offset
        Where the record is, in the partition of this grouping.
    body
        The score packet, kept while the star is held or live.
    timestamp
        Of the record, ms since 1970-01-01 UTC.
    """

    space: Space
    cell: int
    home: bool
    sighting: Sighting
    offset: int
    trace_id: str | None = None
    redriven_from: str | None = None
    body: bytes = b""
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the record at ``offset``, of ``timestamp`` ms; an operator's order has no candidate."""

    offset: int
    kind: OutcomeKind
    candidate_id: str | None
    space: Space
    trace_id: str | None = None
    redriven_from: str | None = None
    reason: str | None = None
    group_id: str | None = None
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert to send, made from the score packet ``body``, under the trace of what caused it."""

    type: AlertType
    reason: str
    space: Space
    star_id: str
    group_id: str
    revision: int
    superseded_by: str | None
    verdict: Verdict
    body: bytes
    trace_id: str | None = None


Effect = Outcome | Alert


def arrival_of(
    score: Mapping[str, Any],
    offset: int,
    *,
    trace_id: str | None = None,
    redriven_from: str | None = None,
    body: bytes = b"",
    timestamp: int | None = None,
) -> Arrival:
    """The arrival of a Score record (schema score v1).

    Raises
    ------
    KeyError
        A field is missing.
    ValueError
        A position, time or figure is not finite.
    """
    found = score["alertfinder"]
    figures = (score["ra"], score["dec"], score["t_cut"], found["delta_chi2"], score["p_review"])
    if not all(map(isfinite, figures)):
        raise ValueError(f"ra, dec, t_cut, delta_chi2, p_review are {figures}: expected finite numbers")
    return Arrival(
        space=Space(score["tense"], score["replay_id"]),
        cell=score["cell"],
        home=not score["halo"],
        sighting=Sighting(
            candidate_id=score["candidate_id"],
            star_id=score["star_id"],
            ra=score["ra"],
            dec=score["dec"],
            t_cut=score["t_cut"],
            delta_chi2=found["delta_chi2"],
            p_review=score["p_review"],
            p_event=nan if score["p_event"] is None else score["p_event"],
        ),
        offset=offset,
        trace_id=trace_id,
        redriven_from=redriven_from,
        body=body,
        timestamp=timestamp,
    )


def immediate(arrival: Arrival, kind: OutcomeKind, reason: str | None = None) -> Outcome:
    """Outcome of a record that isn't held; of a halo copy it is always HALO."""
    return Outcome(
        offset=arrival.offset,
        kind=kind if arrival.home else OutcomeKind.HALO,
        candidate_id=arrival.sighting.candidate_id,
        space=arrival.space,
        trace_id=arrival.trace_id,
        redriven_from=arrival.redriven_from,
        reason=reason if arrival.home else None,
        timestamp=arrival.timestamp,
    )
