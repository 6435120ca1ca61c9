"""Gathers batches from a consumer group and never holds records of a partition it has lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Protocol

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from stream_worker.kafka.errors import ConsumerFatal
from stream_worker.kafka.reading import ATTEMPT_S, TIMEOUT_S, out_of_reach, stable_offsets, watermark
from stream_worker.kafka.records import Batch, Partition, PartitionState, SourceRecord
from stream_worker.settings import LoopSettings

if TYPE_CHECKING:
    from confluent_kafka._types import HeadersType

log = structlog.get_logger(__name__)

_IDLE_S = 0.5
_LOOK_S = 2.0

_FATAL_CODES = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's local codes start with an underscore
    }
)


class SourceMonitor(Protocol):
    """Who hears what becomes of the partitions; all of it is called inside a poll."""

    def beat(self) -> None:
        """Note that the loop is alive."""

    def broker_unreachable(self) -> None:
        """Note that it is, and that a call failed for want of a broker."""

    def assigned(self, partitions: Collection[Partition], begun: Mapping[Partition, int]) -> None:
        """Note which partitions the worker now has, and where it begins with new ones."""

    def records_lost(self, topic: str, records: int) -> None:
        """Note records that the topic dropped before its group read them."""


class GroupSource:
    """A stage's consumer; all polling happens in :meth:`poll_batch`, outside any transaction.

    Rebalance callbacks run inside the poll, so what is revoked is dropped from the batch being
    gathered, and a batch handed out is finished or aborted before the next poll can lose partitions.

    Parameters
    ----------
    offsets_timeout_s
        How long committed offsets may be held up by an open transaction.
    should_stop
        Ends the wait for a broker that is out of reach at an assignment.
    pause
        Waits for some seconds, or until a stop is wanted.
    """

    def __init__(
        self,
        consumer: Consumer,
        topic: str,
        limits: LoopSettings,
        monitor: SourceMonitor,
        *,
        offsets_timeout_s: float,
        state: PartitionState | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._should_stop = should_stop
        self._pause = pause
        self._consumer = consumer
        self._limits = limits
        self._monotonic = monotonic
        self._state = state
        self._offsets_timeout_s = offsets_timeout_s
        self._positions: dict[Partition, int] = {}
        self._rereading: set[Partition] = set()
        self._out_of_range: dict[Partition, None] = {}  # in the order in which they are looked at
        self._closing = False
        self._lost_upto: dict[Partition, int] = {}
        self._monitor = monitor
        self._assigned: set[Partition] = set()
        self._gathered: list[Message] = []
        consumer.subscribe([topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lost)

    def poll_batch(self) -> Batch | None:
        """Gather records until a limit or the longest wait is reached; None when there are none.

        Blocks for at most the idle time plus the longest wait.

        Raises
        ------
        ConsumerFatal
            The consumer cannot go on.
        """
        self._begin_again()
        self._gathered = []
        size = 0
        deadline = self._monotonic() + (_IDLE_S if self._state is None else self._state.idle_s())
        while len(self._gathered) < self._limits.max_records and size < self._limits.max_bytes:
            remaining = deadline - self._monotonic()
            if remaining <= 0:
                break
            message = self._consumer.poll(remaining)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                self._note(error, message)
                continue
            if not self._is_next(message):
                continue
            if not self._gathered:
                deadline = self._monotonic() + self._limits.max_wait_ms / 1000
            self._gathered.append(message)
            size += len(message)
        if not self._gathered:
            return None
        return self._batch(self._gathered)

    def empty_batch(self) -> Batch:
        """Return a batch without records that commits the present positions again (KIP-447 on idle polls)."""
        return Batch(
            records=(),
            group_metadata=self._consumer.consumer_group_metadata(),
            next_offsets=dict(self._positions),
        )

    def rewind(self, batch: Batch) -> None:
        """Seek back to the batch's start offsets on partitions that are still assigned."""
        for (topic, partition), offset in batch.start_offsets.items():
            if (topic, partition) not in self._assigned:
                continue
            self._positions[topic, partition] = offset
            if (topic, partition) in self._out_of_range:
                continue
            try:
                self._consumer.seek(TopicPartition(topic, partition, offset))
            except KafkaException as error:
                if error.args[0].code() == KafkaError._STATE:  # noqa: SLF001 - out of range, not yet told in a poll
                    self._out_of_range[topic, partition] = None
                    continue
                raise ConsumerFatal(f"cannot rewind {topic}[{partition}] to {offset}: {error}") from error

    def close(self) -> None:
        """Leave the group; an assignment that is still on its way is refused."""
        self._closing = True
        self._consumer.close()

    def _note(self, error: KafkaError, message: Message) -> None:
        topic, partition = message.topic(), message.partition()
        if error.code() != KafkaError._AUTO_OFFSET_RESET or topic is None or partition is None:  # noqa: SLF001
            _raise_if_fatal(error)
            return
        if (topic, partition) in self._assigned:  # else a late word of one that is gone
            log.warning(
                "position out of range", partition=partition, offset=message.offset(), error=error.str()
            )
            self._out_of_range[topic, partition] = None

    def _begin_again(self) -> None:
        """Go on with partitions whose position the topic no longer has, where it still has records.

        The client fetches nothing of them before they are assigned anew. What retention dropped meanwhile is
        told as lost. One of which no broker says what is left waits behind the others for the next poll.
        """
        for key in list(self._out_of_range):
            try:
                self._assign_anew(*key)
            except KafkaException as error:
                _raise_if_fatal(error.args[0])
                if out_of_reach(error.args[0]):
                    self._monitor.broker_unreachable()
                self._out_of_range[key] = self._out_of_range.pop(key)
                return
            del self._out_of_range[key]

    def _assign_anew(self, topic: str, partition: int) -> None:
        """Assign a partition at its position, or at the first record that is left; raises KafkaException."""
        position = self._positions.get((topic, partition))
        begin = TopicPartition(topic, partition, OFFSET_BEGINNING)  # where nothing was read yet
        if position is not None:
            self._monitor.beat()
            low, end = watermark(self._consumer, TopicPartition(topic, partition), _LOOK_S)
            _require_log_upto(topic, partition, position, end)
            begin.offset = self._behind_lost(topic, partition, position, low)
            self._positions[topic, partition] = begin.offset
        self._consumer.incremental_unassign([TopicPartition(topic, partition)])
        self._consumer.incremental_assign([begin])

    def _is_next(self, message: Message) -> bool:
        """Tell whether a record lies at or after the position of its partition, which then moves behind it.

        What was committed, or handed out and not taken back, must not be handed out again, whatever the
        client fetches.
        """
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None or offset is None:
            return True  # refused later, with its batch
        key = topic, partition
        position = self._positions.get(key, offset)
        if offset >= position:
            self._positions[key] = offset + 1
            self._rereading.discard(key)
            return True
        if key not in self._rereading:
            self._rereading.add(key)
            try:
                _, end = watermark(self._consumer, TopicPartition(topic, partition), TIMEOUT_S)
            except KafkaException as error:
                raise ConsumerFatal(f"end of {topic}[{partition}] not read: {error.args[0]}") from error
            _require_log_upto(topic, partition, position, end)
            log.warning("records fetched again, dropped", partition=partition, first=offset, upto=position)
        return False

    def _batch(self, messages: list[Message]) -> Batch:
        """Batch of records that commits the positions of all partitions.

        What a stage writes may be of any of its partitions: the offsets of all of them must be pending until
        the transaction ends, so that whoever takes one over waits for it (KIP-447).
        """
        records = [record_with_headers(message) for message in messages]
        start: dict[Partition, int] = {}
        for record in records:
            start.setdefault((record.topic, record.partition), record.offset)
        return Batch(
            records=records,
            group_metadata=self._consumer.consumer_group_metadata(),
            start_offsets=start,
            next_offsets=dict(self._positions),
        )

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin at the committed offsets, with the state as it was when they were committed.

        The offsets are looked up here, and stable: a client whose own look-up of them, held up by an open
        transaction, is interrupted by a rebalance has been seen to begin at the topic's first record. They
        come before the state: the transactions behind them have ended, so what they wrote to the changelog
        lies below its end, which is looked up after them.
        """
        begin = self._read_begin(partitions)
        if begin is None:
            consumer.incremental_assign([])  # or the client assigns them by itself
            return
        consumer.incremental_assign(begin)
        begun = {(p.topic, p.partition): p.offset for p in begin if p.offset >= 0}
        self._positions.update(begun)
        self._assigned |= _keys(partitions)
        self._monitor.assigned(self._assigned, begun)
        log.info("partitions assigned", partitions=sorted(p.partition for p in partitions))

    def _read_begin(self, partitions: list[TopicPartition]) -> list[TopicPartition] | None:
        """Where to begin, with the state restored; asked again while a broker is out of reach.

        The wait has no end but a stop (None): should the group have given the partitions to another worker
        meanwhile, it says so in the next poll, and refuses what would be committed before.
        """
        deadline = self._monotonic() + self._offsets_timeout_s
        pause = self._limits.backoff_initial_s
        while not (self._closing or self._should_stop()):
            self._monitor.beat()
            try:
                return self._begin_now(partitions)
            except KafkaException as error:
                reason = error.args[0]
                away = out_of_reach(reason)
                held_up = reason.code() == KafkaError.UNSTABLE_OFFSET_COMMIT
                if not away and not (held_up and self._monotonic() < deadline):
                    raise ConsumerFatal(f"committed offsets or state not read: {reason}") from error
                log.warning("committed offsets or state not yet read, retrying", error=reason.str())
                if away:
                    self._monitor.broker_unreachable()
            self._pause(pause)
            pause = min(2 * pause, self._limits.backoff_max_s)
        return None

    def _begin_now(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        timeout_s = min(ATTEMPT_S, self._offsets_timeout_s)
        committed = stable_offsets(self._consumer, partitions, timeout_s) if partitions else []
        begin = [self._first_kept(partition) for partition in committed]
        if self._state is not None:
            self._state.restore([p.partition for p in partitions])
        return begin

    def _first_kept(self, committed: TopicPartition) -> TopicPartition:
        """Where to begin: the committed offset, or the first record left behind it; raises KafkaException."""
        topic, number, offset = committed.topic, committed.partition, committed.offset
        if offset < 0:  # a group that begins has lost nothing
            return TopicPartition(topic, number, OFFSET_BEGINNING)
        self._monitor.beat()
        low, _ = watermark(self._consumer, committed, ATTEMPT_S)
        return TopicPartition(topic, number, self._behind_lost(topic, number, offset, low))

    def _behind_lost(self, topic: str, partition: int, offset: int, low: int) -> int:
        """Where to go on from ``offset`` if ``low`` is the first record kept; what is gone is told, once."""
        if low <= offset:
            return offset
        first = max(offset, self._lost_upto.get((topic, partition), 0))
        if first < low:
            self._lost_upto[topic, partition] = low
            log.error(
                "records lost to retention", topic=topic, partition=partition, first=first, last=low - 1
            )
            self._monitor.records_lost(topic, low - first)
        return low

    def _revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._drop(partitions)
        log.info("partitions revoked", partitions=sorted(p.partition for p in partitions))

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._drop(partitions)
        log.warning("partitions lost", partitions=sorted(p.partition for p in partitions))

    def _drop(self, partitions: list[TopicPartition]) -> None:
        gone = _keys(partitions)
        self._assigned -= gone
        self._rereading -= gone
        for key in gone:
            self._positions.pop(key, None)
            self._out_of_range.pop(key, None)
        if self._state is not None:
            self._state.drop([p.partition for p in partitions])
        # in place: poll_batch holds the same list while this callback runs inside its poll
        self._gathered[:] = [m for m in self._gathered if (m.topic(), m.partition()) not in gone]
        self._monitor.assigned(self._assigned, {})


def _keys(partitions: list[TopicPartition]) -> set[Partition]:
    return {(p.topic, p.partition) for p in partitions}


def _require_log_upto(topic: str, partition: int, position: int, end: int) -> None:
    """Raise ConsumerFatal if a partition ends before a position: what it holds is not what was read."""
    if end < position:
        raise ConsumerFatal(
            f"{topic}[{partition}] ends at {end}, records up to {position} were committed: the topic was "
            "truncated or made anew; reset the group's offsets to go on with what is there"
        )


def _raise_if_fatal(error: KafkaError) -> None:
    if error.fatal() or error.code() in _FATAL_CODES:
        raise ConsumerFatal(f"{error.name()}: {error.str()}")
    log.warning("consumer error", code=error.name(), error=error.str())


def record_with_headers(message: Message) -> SourceRecord:
    """Copy a consumed message, headers too; raises ConsumerFatal if it has no position."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise ConsumerFatal("librdkafka returned a message without topic, partition or offset")
    kind, timestamp = message.timestamp()
    return SourceRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        key=message.key(),
        value=message.value() or b"",
        headers=_headers(message),
        timestamp=timestamp if kind else None,
    )


def _headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    """Headers of a message; none where a name is not UTF-8, which the client cannot return."""
    try:
        headers: HeadersType | None = message.headers()
    except (SystemError, UnicodeDecodeError) as error:
        log.warning(
            "headers unreadable, going on without",
            partition=message.partition(),
            offset=message.offset(),
            error=repr(error),
        )
        return ()
    pairs = headers.items() if isinstance(headers, dict) else headers or ()
    return tuple((name, value.encode() if isinstance(value, str) else value) for name, value in pairs)
