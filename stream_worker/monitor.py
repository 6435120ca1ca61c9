"""Tells health and metrics how the loop and its clients are doing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import structlog
from confluent_kafka import KafkaError

from stream_worker.kafka.records import Batch, OutputRecord, Partition
from stream_worker.outcome import OUTCOME_HEADER
from stream_worker.settings import TopicSettings
from stream_worker.telemetry.backlog import Backlog
from stream_worker.telemetry.health import Health
from stream_worker.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_UNREACHABLE = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001 - librdkafka's local codes start so


class RateLimit:
    """Lets each kind of message through once in a while: a broker that is down is told 20 times a second."""

    def __init__(self, every_s: float, monotonic: Callable[[], float]) -> None:
        self._every_s = every_s
        self._monotonic = monotonic
        self._last: dict[str, float] = {}

    def may_speak(self, kind: str) -> bool:
        """Whether a message of this kind may be logged now."""
        now = self._monotonic()
        if now - self._last.get(kind, -float("inf")) < self._every_s:
            return False
        self._last[kind] = now
        return True


@dataclass(frozen=True, slots=True)
class Monitor:
    """Callbacks of the loop, the consumer and the producer; all run in the loop's thread."""

    stage: str
    health: Health
    metrics: Metrics
    topics: TopicSettings
    wall_clock: Callable[[], float] = time.time
    _quiet: RateLimit = field(default_factory=lambda: RateLimit(30.0, time.monotonic))
    _backlog: Backlog = field(init=False)
    _positions: dict[Partition, int] = field(default_factory=dict)
    _retrying: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_backlog", Backlog(self.wall_clock))
        self.metrics.oldest_record_age.labels(self.stage).set_function(self._backlog.age)

    def beat(self) -> None:
        """Note that the loop is alive."""
        self.health.beat()
        self.metrics.heartbeat.labels(self.stage).set(self.wall_clock())

    def committed(self, batch: Batch, outputs: Sequence[OutputRecord]) -> None:
        """Count what a committed transaction wrote."""
        self._broker(reachable=True)
        self._retrying.clear()
        self.metrics.transactions.labels(self.stage, "committed").inc()
        self.metrics.batch_records.labels(self.stage).observe(len(batch.records))
        now = self.wall_clock()
        self._positions.update(batch.next_offsets)
        self._backlog.committed(
            min((r.timestamp for r in batch.records if r.timestamp is not None), default=None)
        )
        for output in outputs:
            if output.topic == self.topics.outcomes:
                self.metrics.outcomes.labels(self.stage, _header(output, OUTCOME_HEADER)).inc()
                if output.source_timestamp is not None:
                    self.metrics.latency.labels(self.stage).observe(
                        max(now - output.source_timestamp / 1000, 0)
                    )
            elif output.topic == self.topics.quarantine:
                self.metrics.quarantined.labels(self.stage, _header(output, "reason")).inc()

    def aborted(self, reason: str) -> None:
        """Count an aborted transaction."""
        self._retrying.set()
        self.metrics.transactions.labels(self.stage, "aborted").inc()
        log.debug("transaction aborted", reason=reason)

    def assigned(self, partitions: Collection[Partition], begun: Mapping[Partition, int]) -> None:
        """Note which partitions this worker now has, and where it begins with new ones."""
        for gone in self._positions.keys() - set(partitions):
            del self._positions[gone]
        self._positions.update(begun)
        self.metrics.assigned.labels(self.stage).set(len(partitions))
        for topic in {topic for topic, _ in partitions}:
            self.metrics.lost.labels(topic)  # what never happened is 0, not absent

    def records_lost(self, topic: str, records: int) -> None:
        """Count records that a topic dropped before its group read them."""
        self.metrics.lost.labels(topic).inc(records)

    def step(self, name: str, seconds: float) -> None:
        """Note how long one step of a batch took."""
        self.metrics.seconds.labels(self.stage, name).observe(seconds)

    def client_error(self, error: KafkaError) -> None:
        """Error callback of both clients; librdkafka recovers from these by itself."""
        if error.code() == _UNREACHABLE:
            self._broker(reachable=False)
        if self._quiet.may_speak(error.name()):
            log.warning("kafka client error", code=error.name(), error=error.str())

    def broker_unreachable(self) -> None:
        """Note that a call failed for want of a broker."""
        self.beat()
        self._broker(reachable=False)

    def statistics(self, text: str) -> None:
        """Statistics callback of the consumer: broker connections and lag per partition."""
        statistics = json.loads(text)
        brokers = statistics.get("brokers", {}).values()
        self._broker(reachable=any(broker.get("state") == "UP" for broker in brokers))
        for topic in statistics.get("topics", {}).values():
            for partition in topic.get("partitions", {}).values():
                self._lag(topic["topic"], partition)

    def _lag(self, topic: str, partition: Mapping[str, Any]) -> None:
        number = int(partition["partition"])
        if not partition.get("desired"):
            # another worker has it now: a lag that stays here would be counted twice
            self._backlog.lag(topic, number, None)
            with suppress(KeyError):
                self.metrics.lag.remove(topic, str(number))
            return
        committed = self._positions.get((topic, number))
        lag = partition_lag(partition, committed, retrying=self._retrying.is_set())
        if lag is not None:
            self._backlog.lag(topic, number, lag)
            self.metrics.lag.labels(topic, str(number)).set(lag)

    def _broker(self, *, reachable: bool) -> None:
        if reachable != self.health.broker_reachable:
            log.info("broker reachable" if reachable else "broker unreachable")
        self.health.broker_reachable = reachable
        self.metrics.broker_up.labels(self.stage).set(reachable)


def partition_lag(partition: Mapping[str, Any], committed: int | None, *, retrying: bool) -> int | None:
    """Records that a partition still holds for its group; None while that is not known.

    Librdkafka's own ``consumer_lag`` compares with the offset that it found committed at the assignment:
    it never hears of offsets that a transaction commits, and of none where the assignment names them.

    Parameters
    ----------
    partition
        Librdkafka's statistics of one partition; they come between two batches.
    committed
        Next offset as it was last committed, by this process or before it; None if the group never did.
    retrying
        The last batch was rewound.
    """
    end = partition.get("ls_offset", -1)
    if end < 0:
        return None
    done = max(committed or 0, partition.get("committed_offset", 0), partition.get("lo_offset", 0), 0)
    if not retrying and partition.get("next_offset", -1) >= end and not partition.get("fetchq_cnt", 0):
        return 0  # all was fetched, taken and committed; what remains up to the end are marks of transactions
    return int(max(end - done, 0))


def _header(output: OutputRecord, name: str) -> str:
    return next((value.decode() for key, value in output.headers if key == name and value is not None), "")
