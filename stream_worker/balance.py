"""Balance: every source record of a stage against the outcomes written for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from stream_worker.kafka import clients
from stream_worker.kafka.records import SourceRecord
from stream_worker.plans import record_decoder
from stream_worker.settings import KafkaSettings, Settings

Position = tuple[int, int]
"""Partition and offset of a source record."""


_TIMEOUT_S = 30.0
_COORDINATOR_MOVING = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError._WAIT_COORD,  # noqa: SLF001 - librdkafka's local codes start so
    }
)


@dataclass(slots=True)
class StageBalance:
    """The books of one stage.

    ``missing``: below the committed offset, without an outcome. ``double``: with more than one.
    ``unknown``: outcomes for records that the source doesn't hold (any more). ``waiting``: source
    records that the group has not yet committed.
    """

    stage: str
    topic: str
    source_records: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    missing: list[Position] = field(default_factory=list)
    double: list[Position] = field(default_factory=list)
    unknown: list[Position] = field(default_factory=list)
    waiting: int = 0

    @property
    def balanced(self) -> bool:
        """Whether every source record has exactly one outcome."""
        return not self.missing and not self.double and not self.unknown and not self.waiting

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
            "waiting": self.waiting,
            "balanced": self.balanced,
        }


def settle(
    stage: str,
    topic: str,
    source: set[Position],
    outcomes: list[tuple[Position, str, str | None]],
    committed: dict[int, int],
) -> StageBalance:
    """Compare source positions with ``(position, outcome, reason)`` entries.

    Parameters
    ----------
    committed
        The group's committed offset per partition; positions at or beyond it are waiting.
    """
    books = StageBalance(stage, topic, source_records=len(source))
    seen: Counter[Position] = Counter()
    for position, outcome, reason in outcomes:
        seen[position] += 1
        books.outcomes[outcome] += 1
        if outcome == "QUARANTINED" and reason:
            books.reasons[reason] += 1
    books.double = [position for position, n in seen.items() if n > 1]
    books.unknown = [position for position in seen if position not in source]
    for position in source - seen.keys():
        if position[1] < committed.get(position[0], 0):
            books.missing.append(position)
        else:
            books.waiting += 1
    return books


def read_all(consumer: Consumer, topic: str, *, timeout_s: float = _TIMEOUT_S) -> Iterator[SourceRecord]:
    """Every record of a topic from its start to its present (read_committed) end.

    Raises
    ------
    KafkaException
        The topic doesn't exist, or no record and no end came within ``timeout_s``.
    """
    ends = _assign_whole_topic(consumer, topic, timeout_s)
    still_open = set(ends)
    while still_open:
        message = consumer.poll(timeout_s)
        if message is None:
            raise _local_error(
                KafkaError._TIMED_OUT,  # noqa: SLF001 - librdkafka's local codes start so
                f"{topic}: nothing within {timeout_s:g} s, partitions {sorted(still_open)} unread",
            )
        error, number, offset = message.error(), message.partition(), message.offset()
        if number is None or offset is None:
            continue
        if error is None and offset < ends[number]:
            yield SourceRecord(topic, number, offset, message.key(), message.value() or b"")
        elif error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
            raise KafkaException(error)
        if error is not None or offset + 1 >= ends[number]:
            still_open.discard(number)
    consumer.unassign()


def _assign_whole_topic(consumer: Consumer, topic: str, timeout_s: float) -> dict[int, int]:
    """Assign every non-empty partition from its start; the end offset of each."""
    partitions = consumer.list_topics(topic, timeout_s).topics[topic].partitions
    if not partitions:
        raise _local_error(KafkaError.UNKNOWN_TOPIC_OR_PART, f"topic {topic} does not exist")
    marks = {n: consumer.get_watermark_offsets(TopicPartition(topic, n), timeout_s) for n in partitions}
    held = {n: (low, high) for n, (low, high) in marks.items() if high > low}
    consumer.assign([TopicPartition(topic, n, low) for n, (low, _) in held.items()])
    return {n: high for n, (_, high) in held.items()}


def _local_error(code: int, text: str) -> KafkaException:
    return KafkaException(KafkaError(code, text))


def committed_offsets(kafka: KafkaSettings, group_id: str, topic: str) -> dict[int, int]:
    """Committed offset per partition of a group; partitions without one are left out. Blocks.

    Asks through a consumer that never joins: the admin request for this crashes librdkafka 2.16.
    """
    consumer = clients.plain_consumer(kafka, group_id)
    try:
        partitions = consumer.list_topics(topic, _TIMEOUT_S).topics[topic].partitions
        entries = _committed(consumer, [TopicPartition(topic, n) for n in partitions])
    finally:
        consumer.close()
    return {entry.partition: entry.offset for entry in entries if entry.offset >= 0}


def _committed(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            return consumer.committed(partitions, _TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() not in _COORDINATOR_MOVING or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def balance_stages(settings: Settings) -> list[StageBalance]:
    """Balance of both stages from the topics' start to now. Blocks while it reads them."""
    consumer = clients.plain_consumer(settings.kafka, "lensnet-balance")
    decode = record_decoder(settings, "outcome")
    plan = (
        ("score", settings.topics.candidates, settings.score.group_id),
        ("deduplicate", settings.topics.scores, settings.deduplicate.group_id),
    )
    try:
        # in this order: what lies below a committed offset has its outcome, and an outcome its source
        committed = {stage: committed_offsets(settings.kafka, group, topic) for stage, topic, group in plan}
        outcomes: dict[tuple[str, str], list[tuple[Position, str, str | None]]] = {}
        for record in read_all(consumer, settings.topics.outcomes):
            entry = decode(record.value)
            outcomes.setdefault((entry["stage"], entry["topic"]), []).append(
                ((entry["partition"], entry["offset"]), entry["outcome"], entry["reason"])
            )
        source = {
            stage: {(r.partition, r.offset) for r in read_all(consumer, topic)} for stage, topic, _ in plan
        }
    finally:
        consumer.close()
    return [
        settle(stage, topic, source[stage], outcomes.get((stage, topic), []), committed[stage])
        for stage, topic, _ in plan
    ]
