"""What is remembered of a star: its candidates, what was published of it, what is held. No light curves."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import nan
from typing import Final, NamedTuple

from stream_worker.candidate import Tense

_ENTRY: Final = struct.Struct("<dddd16s")
_SAME_DAY: Final = 5e-6  # t_cut counts to five decimals


class Space(NamedTuple):
    """Candidates of different tenses or replays never meet."""

    tense: str
    replay_id: str | None

    @property
    def ages(self) -> bool:
        """Whether its candidates come as the nights do: those of replays and tests come in any order.

        Only where it ages can a candidate come too late, or be forgotten.
        """
        return self.tense == Tense.CURRENT


class StarKey(NamedTuple):
    """One star in one sky cell: its own, or one that it touches (a halo copy)."""

    space: Space
    cell: int
    star_id: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """A candidate as grouping sees it.

    Parameters
    ----------
    ra, dec
        Degrees, ICRS.
    t_cut
        HJD - 2450000.
    delta_chi2
        Largest single-site delta_chi2.
    p_event
        NaN where the model has none.
    """

    candidate_id: str
    star_id: str
    ra: float
    dec: float
    t_cut: float
    delta_chi2: float
    p_review: float
    p_event: float = nan


class Entry(NamedTuple):
    """One candidate in a star's history, as a `Sighting`; ``id_bytes`` are the 16 bytes of its id."""

    t_cut: float
    delta_chi2: float
    p_review: float
    p_event: float
    id_bytes: bytes

    @property
    def candidate_id(self) -> str:
        """The candidate's id."""
        return str(uuid.UUID(bytes=self.id_bytes))


@dataclass(frozen=True, slots=True)
class Published:
    """What follow-up teams were last told of a star's group.

    Parameters
    ----------
    live
        Whether the last word was an INITIAL or an UPDATE.
    revision
        How many alerts the group has had.
    p_review, p_event, delta_chi2, crowded
        As in the last of them that was not a RETRACTION.
    by_operator
        Whether an operator retracted it.
    body
        Score packet behind a live alert, from which its next one is made; empty when not live.
    """

    live: bool
    revision: int
    p_review: float
    p_event: float
    delta_chi2: float
    crowded: bool
    by_operator: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class Held:
    """A record that waits for stronger neighbours.

    Parameters
    ----------
    offset
        Of the score record, in the partition whose state this is.
    until_ms
        When it is released, wall clock.
    body
        The score packet.
    timestamp
        Of the score record, ms; None once restored, for the state does not keep it.
    """

    offset: int
    until_ms: int
    entry: Entry
    trace_id: str | None
    redriven_from: str | None
    body: bytes
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Star:
    """A star in one cell. A value: every change makes a new one, so that a batch can be taken back.

    Parameters
    ----------
    home
        Whether the cell is that of its latest candidate, which alone publishes it.
    ra, dec
        Degrees, ICRS, of its latest candidate.
    history
        Packed entries, ascending by t_cut.
    """

    star_id: str
    home: bool
    ra: float
    dec: float
    history: bytes = b""
    published: Published | None = None
    held: tuple[Held, ...] = ()

    def entries(self) -> Iterator[Entry]:
        """Its candidates, ascending by t_cut."""
        return map(Entry._make, _ENTRY.iter_unpack(self.history))

    @property
    def latest(self) -> Entry:
        """Its latest candidate; it must have one."""
        return Entry._make(_ENTRY.unpack_from(self.history, len(self.history) - _ENTRY.size))

    def has(self, candidate_id: str) -> bool:
        """Whether a candidate is in its history."""
        wanted = uuid.UUID(candidate_id).bytes
        return any(entry.id_bytes == wanted for entry in self.entries())

    def with_sighting(self, sighting: Sighting, *, home: bool) -> Star:
        """The star with one more candidate, whose own cell this is or not; it is where the latest is."""
        new = entry_of(sighting)
        entries = sorted([*self.entries(), new], key=_in_time)
        history = pack(entries)
        if entries[-1] is not new:
            return replace(self, history=history)
        return replace(self, home=home, ra=sighting.ra, dec=sighting.dec, history=history)

    def since(self, t_cut: float) -> Star:
        """The star without the candidates before ``t_cut``."""
        kept = [entry for entry in self.entries() if entry.t_cut >= t_cut]
        return replace(self, history=pack(kept))

    def within(self, t_cut: float, days: float) -> Iterator[Entry]:
        """Its candidates within ``days`` of ``t_cut``, inclusive."""
        limit = days + _SAME_DAY
        return (entry for entry in self.entries() if abs(entry.t_cut - t_cut) <= limit)


def entry_of(sighting: Sighting) -> Entry:
    """The history entry of a candidate; raises ValueError if its id is no UUID."""
    id_bytes = uuid.UUID(sighting.candidate_id).bytes
    return Entry(sighting.t_cut, sighting.delta_chi2, sighting.p_review, sighting.p_event, id_bytes)


def pack(entries: list[Entry]) -> bytes:
    """History of these entries."""
    return b"".join([_ENTRY.pack(*entry) for entry in entries])


def _in_time(entry: Entry) -> tuple[float, bytes]:
    return entry.t_cut, entry.id_bytes
