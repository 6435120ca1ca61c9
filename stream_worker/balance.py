"""Balance: every source record of a stage against the outcomes written for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer

from stream_worker.codec.errors import BadPacket
from stream_worker.kafka import clients
from stream_worker.kafka.reading import (
    TIMEOUT_S,
    OnSkipped,
    committed_offsets,
    decoded,
    read_all,
    watermarks,
    written_ends,
)
from stream_worker.kafka.records import SourceRecord
from stream_worker.plans import record_decoder
from stream_worker.settings import Settings

__all__ = ["Position", "StageBalance", "balance_stages", "committed_offsets", "read_all", "settle"]

Position = tuple[int, int]
"""Partition and offset of a source record."""

Entry = tuple[Position, str, str | None]
"""Position, outcome and reason of one outcome record."""


@dataclass(slots=True)
class StageBalance:
    """The books of one stage.

    ``missing``: below the committed offset, without an outcome. ``double``: with more than one.
    ``unknown``: outcomes for records that the source never held. ``expired``: outcomes for records that
    the source no longer keeps. ``waiting``: source records that the group has not yet committed.
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
    expired: int = 0
    waiting: int = 0
    complete_since: int | None = None

    @property
    def clean(self) -> bool:
        """Whether every source record that was processed has exactly one outcome; others may wait."""
        return not self.missing and not self.double and not self.unknown

    @property
    def balanced(self) -> bool:
        """Whether every source record has exactly one outcome."""
        return self.clean and not self.waiting

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
            "missing": [list(position) for position in sorted(self.missing)],
            "double": [list(position) for position in sorted(self.double)],
            "unknown": [list(position) for position in sorted(self.unknown)],
            "expired": self.expired,
            "waiting": self.waiting,
            "complete_since": self.complete_since_text,
            "clean": self.clean,
            "balanced": self.balanced,
        }


def settle(
    stage: str,
    topic: str,
    source: Mapping[Position, int | None],
    outcomes: list[Entry],
    committed: Mapping[int, int],
    *,
    first_kept: Mapping[int, int] | None = None,
    complete_since: int | None = None,
) -> StageBalance:
    """Compare source records with their outcomes.

    Parameters
    ----------
    source
        Timestamp of each source record, ms, or None.
    committed
        The group's committed offset per partition; positions at or beyond it are waiting.
    first_kept
        The first offset per partition that the source topic still keeps.
    complete_since
        Outcomes older than this, ms, may be gone: only source records as young are called missing.
    """
    books = StageBalance(stage, topic, source_records=len(source), complete_since=complete_since)
    seen: Counter[Position] = Counter()
    for position, outcome, reason in outcomes:
        seen[position] += 1
        books.outcomes[outcome] += 1
        if outcome == "QUARANTINED" and reason:
            books.reasons[reason] += 1
    books.double = [position for position, n in seen.items() if n > 1]
    absent = [position for position in seen if position not in source]
    books.unknown = [(n, offset) for n, offset in absent if offset >= (first_kept or {}).get(n, 0)]
    books.expired = len(absent) - len(books.unknown)
    for position in source.keys() - seen.keys():
        if position[1] >= committed.get(position[0], 0):
            books.waiting += 1
        elif complete_since is None or (source[position] or 0) >= complete_since:
            books.missing.append(position)
    return books


def balance_stages(
    settings: Settings, *, on_skipped: OnSkipped | None = None, timeout_s: float | None = None
) -> list[StageBalance]:
    """Balance of both stages from the topics' start to now. Blocks while it reads them.

    Reads every source record whole only to learn its offset, and keeps none: offsets alone don't tell
    records from transaction markers and aborted records.

    Parameters
    ----------
    on_skipped
        Hears of outcome records that cannot be decoded; without it the first one is raised.
    timeout_s
        Longest wait without progress; None waits longer than a transaction of the stages may be open.

    Raises
    ------
    KafkaException
        A topic doesn't exist, the broker didn't answer, or a transaction on the outcomes stayed open.
    BadPacket
        An outcome record cannot be decoded and there is no ``on_skipped``.
    """
    kafka, topics = settings.kafka, settings.topics
    if timeout_s is None:
        timeout_s = TIMEOUT_S + kafka.transaction_timeout_ms / 1000
    plan = (
        ("score", topics.candidates, settings.score.group_id),
        ("deduplicate", topics.scores, settings.deduplicate.group_id),
    )
    consumer = clients.plain_consumer(kafka, "lensnet-balance")
    try:
        # in this order: what lies below a committed offset has its outcome below these ends, in a
        # transaction that may still be ending; and an outcome has its source
        committed = {stage: committed_offsets(kafka, group, topic) for stage, topic, group in plan}
        ends = written_ends(kafka, "lensnet-balance-ends", topics.outcomes)
        outcomes, complete_since = _read_outcomes(consumer, settings, ends, on_skipped or _refuse, timeout_s)
        source = {
            stage: {(r.partition, r.offset): r.timestamp for r in read_all(consumer, topic)}
            for stage, topic, _ in plan
        }
        # after the source was read: retention may have moved on meanwhile
        first_kept = {
            stage: {n: low for n, (low, _) in watermarks(consumer, topic).items()} for stage, topic, _ in plan
        }
    finally:
        consumer.close()
    return [
        settle(
            stage,
            topic,
            source[stage],
            outcomes.get((stage, topic), []),
            committed[stage],
            first_kept=first_kept[stage],
            complete_since=complete_since,
        )
        for stage, topic, _ in plan
    ]


def _read_outcomes(
    consumer: Consumer, settings: Settings, ends: Mapping[int, int], on_skipped: OnSkipped, timeout_s: float
) -> tuple[dict[tuple[str, str], list[Entry]], int | None]:
    """Outcomes by stage and source topic, and since when (ms) the topic keeps them all, None: since ever."""
    topic, oldest = settings.topics.outcomes, dict[int, int]()

    def records() -> Iterator[SourceRecord]:
        for record in read_all(consumer, topic, ends=ends, timeout_s=timeout_s):
            oldest.setdefault(record.partition, record.timestamp or 0)
            yield record

    outcomes: dict[tuple[str, str], list[Entry]] = {}
    for _, entry in decoded(records(), record_decoder(settings, "outcome"), on_skipped):
        position = (entry["partition"], entry["offset"])
        of_source = outcomes.setdefault((entry["stage"], entry["topic"]), [])
        of_source.append((position, entry["outcome"], entry["reason"]))
    now_ms = int(time.time() * 1000)  # of a partition that was emptied: whatever it held is gone
    trimmed = [oldest.get(n, now_ms) for n, (low, _) in watermarks(consumer, topic).items() if low > 0]
    return outcomes, max(trimmed, default=None)


def _refuse(_: SourceRecord, error: BadPacket) -> None:
    raise error
