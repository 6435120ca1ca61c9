"""Reads whole topics, watermarks and committed offsets; joins no group. All of it blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream_worker.codec.errors import BadPacket
from stream_worker.kafka import clients
from stream_worker.kafka.records import SourceRecord
from stream_worker.settings import KafkaSettings

TIMEOUT_S = 30.0
ATTEMPT_S = 10.0
"""Longest wait for one answer where something waits that must not be silent for long."""


_SLICE_S = 1.0


def settled_after_s(kafka: KafkaSettings) -> float:
    """Longest wait for an open transaction: its broker ends it, and the broker has time to answer."""
    return TIMEOUT_S + kafka.transaction_timeout_ms / 1000


OnSkipped = Callable[[SourceRecord, BadPacket], None]
"""Hears of every record that could not be decoded."""

_NOT_YET = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError._WAIT_COORD,  # noqa: SLF001 - librdkafka's local codes start so
    }
)
_LEADERLESS = frozenset(
    {
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    }
)

_AWAY = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    }
) | (_NOT_YET - {KafkaError.UNSTABLE_OFFSET_COMMIT})


def out_of_reach(error: KafkaError) -> bool:
    """Whether an error passes once its broker is back."""
    return error.code() in _AWAY


def read_all(
    consumer: Consumer,
    topic: str,
    *,
    ends: Mapping[int, int] | None = None,
    partitions: Collection[int] | None = None,
    timeout_s: float = TIMEOUT_S,
    beat: Callable[[], None] = lambda: None,
) -> Iterator[SourceRecord]:
    """Every record of a topic from its start to its end; headers are left out.

    Parameters
    ----------
    partitions
        Read only these; None reads all.
    ends
        Read each partition up to this offset; a read_committed consumer then waits for the transactions
        that are open below it. None reads to the present end that the consumer's isolation shows.
    timeout_s
        Longest wait without progress.
    beat
        Called now and then while it waits.

    Raises
    ------
    KafkaException
        The topic doesn't exist, or nothing came within ``timeout_s``: the message tells whether a
        transaction was still open.
    """
    present = watermarks(consumer, topic, timeout_s, partitions)
    wanted = {n: (ends or {}).get(n, high) for n, (_, high) in present.items()}
    still_open = {n for n, (low, _) in present.items() if wanted[n] > low}
    consumer.assign([TopicPartition(topic, n, present[n][0]) for n in sorted(still_open)])
    stopped_at: dict[int, int] = {}
    while still_open:
        message = _poll(consumer, timeout_s, beat)
        if message is None:
            raise _nothing_came(topic, still_open, stopped_at, timeout_s)
        error, number, offset = message.error(), message.partition(), message.offset()
        if number is None or offset is None:
            continue
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
            raise KafkaException(error)
        if error is not None:
            stopped_at[number] = offset
        elif number in still_open and offset < wanted[number]:
            stopped_at.pop(number, None)
            yield source_record(message)
        if number in still_open and offset + (error is None) >= wanted[number]:
            still_open.discard(number)
            consumer.pause([TopicPartition(topic, number)])  # or what it still grows by hides a silence
    consumer.unassign()


def _poll(consumer: Consumer, timeout_s: float, beat: Callable[[], None]) -> Message | None:
    deadline = time.monotonic() + timeout_s
    while True:
        left = deadline - time.monotonic()
        message = consumer.poll(max(min(left, _SLICE_S), 0))
        if message is not None or left <= _SLICE_S:
            return message
        beat()


def _nothing_came(
    topic: str, still_open: set[int], stopped_at: Mapping[int, int], timeout_s: float
) -> KafkaException:
    blocked = [f"{topic}[{n}]@{stopped_at[n]}" for n in sorted(still_open & stopped_at.keys())]
    if blocked:
        text = f"a transaction is still open after {timeout_s:g} s at {', '.join(blocked)}"
    else:
        text = f"{topic}: nothing within {timeout_s:g} s, partitions {sorted(still_open)} unread"
    return _local_error(KafkaError._TIMED_OUT, text)  # noqa: SLF001


def watermarks(
    consumer: Consumer, topic: str, timeout_s: float = TIMEOUT_S, wanted: Collection[int] | None = None
) -> dict[int, tuple[int, int]]:
    """Low and high watermark of each partition, or of the wanted ones.

    To a read_committed consumer, the high one is the last stable offset: it stops at open transactions.

    Raises
    ------
    KafkaException
        The topic doesn't exist, or the broker didn't answer.
    """
    partitions = consumer.list_topics(topic, timeout_s).topics[topic].partitions
    if not partitions:
        raise _local_error(KafkaError.UNKNOWN_TOPIC_OR_PART, f"topic {topic} does not exist")
    asked = partitions.keys() if wanted is None else partitions.keys() & set(wanted)
    return {n: watermark(consumer, TopicPartition(topic, n), timeout_s) for n in sorted(asked)}


def watermark(consumer: Consumer, partition: TopicPartition, timeout_s: float) -> tuple[int, int]:
    """Low and high watermark of one partition, as `watermarks` tells them.

    Asks again while a partition that exists has no leader: a broker that was away comes back.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            low, high = consumer.get_watermark_offsets(partition, timeout_s)
        except KafkaException as error:
            if error.args[0].code() not in _LEADERLESS or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return low, high


def kept_since(consumer: Consumer, topic: str, oldest: Mapping[int, int]) -> int | None:
    """Since when (ms) a topic keeps every record; None: since ever.

    ``oldest`` is the timestamp of the first record that was read of each partition.
    """
    now_ms = int(time.time() * 1000)  # of a partition that was emptied: whatever it held is gone
    trimmed = [oldest.get(n, now_ms) for n, (low, _) in watermarks(consumer, topic).items() if low > 0]
    return max(trimmed, default=None)


def written_ends(
    kafka: KafkaSettings,
    client_id: str,
    topic: str,
    partitions: Collection[int] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> dict[int, int]:
    """End of each partition, or of the wanted ones, records of open transactions included."""
    consumer = clients.plain_consumer(kafka, client_id, isolation="read_uncommitted")
    try:
        return {n: high for n, (_, high) in watermarks(consumer, topic, timeout_s, partitions).items()}
    finally:
        consumer.close()


def committed_offsets(kafka: KafkaSettings, group_id: str, topic: str) -> dict[int, int]:
    """Committed offset per partition of a group; partitions without one are left out.

    Asks through a consumer that never joins: the admin request for this crashes librdkafka 2.16.
    """
    consumer = clients.plain_consumer(kafka, "lensnet-committed", group_id=group_id)
    try:
        partitions = consumer.list_topics(topic, TIMEOUT_S).topics[topic].partitions
        asked = [TopicPartition(topic, n) for n in partitions]
        entries = stable_offsets(consumer, asked, settled_after_s(kafka))
    finally:
        consumer.close()
    return {entry.partition: entry.offset for entry in entries if entry.offset >= 0}


def stable_offsets(
    consumer: Consumer, partitions: list[TopicPartition], timeout_s: float = TIMEOUT_S
) -> list[TopicPartition]:
    """Committed offset of each partition, negative without one; waits for commits of open transactions.

    Raises
    ------
    KafkaException
        The broker didn't answer, or a transaction stayed open, for ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            entries = consumer.committed(partitions, timeout_s)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET or time.monotonic() > deadline:
                raise
        else:
            errors = [entry.error for entry in entries if entry.error is not None]
            if not errors:
                return entries
            if errors[0].code() not in _NOT_YET or time.monotonic() > deadline:
                raise KafkaException(errors[0])
        time.sleep(0.2)


def decoded(
    records: Iterable[SourceRecord], decode: Callable[[bytes], dict[str, Any]], on_skipped: OnSkipped
) -> Iterator[tuple[SourceRecord, dict[str, Any]]]:
    """Each record with its decoded value; one that cannot be decoded is told to ``on_skipped`` instead."""
    for record in records:
        try:
            entry = decode(record.value)
        except BadPacket as error:
            on_skipped(record, error)
        else:
            yield record, entry


def source_record(message: Message) -> SourceRecord:
    """Copy a consumed message; headers are left out."""
    kind, timestamp = message.timestamp()
    return SourceRecord(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value() or b"",
        timestamp=timestamp if kind else None,  # kind 0: the message carries none
    )


def _local_error(code: int, text: str) -> KafkaException:
    return KafkaException(KafkaError(code, text))
