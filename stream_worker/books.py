"""The books of a stage: its source records against the outcomes written for them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

Position = tuple[int, int]
"""Partition and offset of a source record."""


class Entry(NamedTuple):
    """One outcome record of a source record."""

    position: Position
    outcome: str
    reason: str | None = None
    group_id: str | None = None
    candidate_id: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Source records to look at, by time (ms since 1970-01-01 UTC) or offset; the ends are not inside."""

    since_ms: int | None = None
    until_ms: int | None = None
    since_offset: int | None = None
    until_offset: int | None = None

    def holds(self, position: Position, timestamp: int | None) -> bool:
        """Whether a source record is inside."""
        return _between(position[1], self.since_offset, self.until_offset) and _between(
            timestamp or 0, self.since_ms, self.until_ms
        )

    def may_hold(self, position: Position) -> bool:
        """Whether a record that is not there could be inside: of its time nothing is known."""
        timed = self.since_ms is not None or self.until_ms is not None
        return not timed and _between(position[1], self.since_offset, self.until_offset)

    def offsets(self, first: int, upto: int) -> range:
        """Offsets from ``first`` to before ``upto`` that could be inside: of their time nothing is known."""
        if self.since_ms is not None or self.until_ms is not None:
            return range(0)
        low = first if self.since_offset is None else max(first, self.since_offset)
        return range(low, upto if self.until_offset is None else min(upto, self.until_offset))


EVERYTHING = Window()


def _between(value: int, low: int | None, high: int | None) -> bool:
    return (low is None or value >= low) and (high is None or value < high)


@dataclass(slots=True)
class StageBalance:
    """The books of one stage.

    ``lost``: partition, first and last offset of what the source dropped before the group read it. It is
    known only until the group commits an offset behind it: a gap in the outcomes may as well be that of a
    transaction's mark. The worker that met the loss has logged and counted it.
    ``missing``: below the committed offset, without an outcome. ``double``: with more than one.
    ``unknown``: outcomes for records that the source never held. ``expired``: outcomes for records that
    the source no longer keeps. ``held``: processed records that wait in the changelog for stronger
    neighbours. ``waiting``: source records that the group has not yet committed.
    ``complete_since``: the outcomes topic no longer keeps what is older (ms since 1970-01-01 UTC), so
    older source records are not called missing; None if it keeps everything.
    """

    stage: str
    topic: str
    source_records: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    missing: list[Position] = field(default_factory=list)
    double: list[Position] = field(default_factory=list)
    unknown: list[Position] = field(default_factory=list)
    lost: list[tuple[int, int, int]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    expired: int = 0
    held: int = 0
    waiting: int = 0
    complete_since: int | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, and every source record that was processed has one outcome or is held."""
        return not (self.lost or self.missing or self.double or self.unknown)

    @property
    def balanced(self) -> bool:
        """Whether every source record has exactly one outcome."""
        return self.clean and not self.waiting and not self.held

    @property
    def complete_since_text(self) -> str | None:
        """``complete_since`` as ISO 8601."""
        if self.complete_since is None:
            return None
        return datetime.fromtimestamp(self.complete_since / 1000, UTC).isoformat(timespec="seconds")

    def as_json(self) -> dict[str, Any]:
        """JSON-ready summary."""
        return {
            "stage": self.stage,
            "topic": self.topic,
            "source_records": self.source_records,
            "outcomes": dict(sorted(self.outcomes.items())),
            "reasons": dict(sorted(self.reasons.items())),
            "lost": [list(lost) for lost in sorted(self.lost)],
            "missing": [list(position) for position in sorted(self.missing)],
            "double": [list(position) for position in sorted(self.double)],
            "unknown": [list(position) for position in sorted(self.unknown)],
            "expired": self.expired,
            "held": self.held,
            "waiting": self.waiting,
            "complete_since": self.complete_since_text,
            "clean": self.clean,
            "balanced": self.balanced,
        }


def settle(
    stage: str,
    topic: str,
    source: Mapping[Position, int | None],
    outcomes: Iterable[Entry],
    committed: Mapping[int, int],
    *,
    held: Collection[Position] = (),
    window: Window = EVERYTHING,
    first_kept: Mapping[int, int] | None = None,
    kept_before: Mapping[int, int] | None = None,
    complete_since: int | None = None,
) -> StageBalance:
    """Compare source records with their outcomes.

    Parameters
    ----------
    source
        Timestamp of each source record, ms, or None.
    committed
        The group's committed offset per partition; positions at or beyond it are waiting.
    held
        Positions that the changelog holds back.
    window
        Only source records inside it are looked at.
    first_kept
        The first offset per partition that the source topic still keeps.
    kept_before
        The same, before ``committed`` was looked up: what was gone by then below it will never be read.
    complete_since
        Outcomes older than this, ms, may be gone: only source records as young are called missing.
    """
    wanted = {at for at, timestamp in source.items() if window.holds(at, timestamp)}
    books = StageBalance(stage, topic, source_records=len(wanted), complete_since=complete_since)
    for n, low in (kept_before or {}).items():
        gone = window.offsets(committed.get(n, low), low)
        if gone:
            books.lost.append((n, gone[0], gone[-1]))
    seen: Counter[Position] = Counter()
    for entry in outcomes:
        at = entry.position
        if at not in wanted and (at in source or not window.may_hold(at)):
            continue
        seen[at] += 1
        books.entries.append(entry)
        books.outcomes[entry.outcome] += 1
        if entry.outcome == "QUARANTINED" and entry.reason:
            books.reasons[entry.reason] += 1
    books.double = [position for position, n in seen.items() if n > 1]
    absent = [position for position in seen if position not in source]
    books.unknown = [(n, offset) for n, offset in absent if offset >= (first_kept or {}).get(n, 0)]
    books.expired = len(absent) - len(books.unknown)
    waiting_back = set(held)
    for position in wanted - seen.keys():
        if position[1] >= committed.get(position[0], 0):
            books.waiting += 1
        elif position in waiting_back:
            books.held += 1
        elif complete_since is None or (source[position] or 0) >= complete_since:
            books.missing.append(position)
    return books
