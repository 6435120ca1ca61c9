"""The life of a score in the grouping stage: decode, group with its neighbours, hold, publish."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import structlog

import schemas
from stream_worker.alert_record import alert_record
from stream_worker.changelog import changelog_record, stored_star
from stream_worker.codec import BadPacket, RegistryUnavailable
from stream_worker.kafka.records import Headers, OutputRecord, SourceRecord
from stream_worker.loop import RetryLater, StageFatal
from stream_worker.neighbours import Alert, Effect, Grouping, Outcome, Space, StarKey, arrival_of
from stream_worker.outcome import REDRIVEN_HEADER, OutcomeKind, outcome_record
from stream_worker.outputs import (
    CANDIDATE_HEADER,
    SCHEMA_HEADER,
    TRACE_HEADER,
    OutputWriter,
    inherited_headers,
    short_header,
    trace_headers,
)
from stream_worker.quarantine import Quarantine
from stream_worker.settings import TopicSettings
from stream_worker.watched_rules import WatchedRules

log = structlog.get_logger(__name__)

ALERT_SCHEMA = schemas.load("alert", 1)
RETRACT_SCHEMA = schemas.load("retract", 1)
STAGE = "deduplicate"
_LONGEST_IDLE_S = 0.5
_SHORTEST_IDLE_S = 0.02
_BEAT_EVERY = 5_000  # stars: a fraction of a second

Decode = Callable[[bytes], Mapping[str, Any]]
"""Record of a packet; raises BadPacket or RegistryUnavailable."""


class DeduplicateStage:
    """Turns scores into one alert per event.

    The state of each partition is a `Grouping`; what a batch changes of it goes to the changelog with
    the batch's outputs, and is taken back if the transaction fails.

    Parameters
    ----------
    decode_score, decode_retract
        Decoders of what comes on the scores topic.
    decode_state
        Decoder of changelog records.
    read_state
        Last value of each key of the changelog, of the given partitions. Blocks.
    clock
        Milliseconds since 1970-01-01 UTC.
    beat
        Called now and then while a large state is put in its place.
    """

    name = STAGE

    def __init__(
        self,
        *,
        decode_score: Decode,
        decode_retract: Decode,
        decode_state: Decode,
        read_state: Callable[[Collection[int]], Mapping[int, Mapping[bytes, bytes]]],
        writer: OutputWriter,
        quarantine: Quarantine,
        topics: TopicSettings,
        rules: WatchedRules,
        clock: Callable[[], int],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._decode_score = decode_score
        self._decode_retract = decode_retract
        self._decode_state = decode_state
        self._read_state = read_state
        self._writer = writer
        self._quarantine = quarantine
        self._topics = topics
        self._rules = rules
        self._clock = clock
        self._beat = beat
        self._groupings: dict[int, Grouping] = {}
        self._unread: dict[int, Mapping[bytes, bytes]] = {}

    def process(self, records: Sequence[SourceRecord]) -> list[OutputRecord]:
        """Outputs of a batch and of all whose hold is over: alerts, outcomes, quarantine, changelog.

        Raises
        ------
        RetryLater
            The schema registry is out of reach.
        StageFatal
            A record of the state cannot be read, or a record came without the state of its partition.
        """
        try:
            self._load()
            return self._process(records)
        except RegistryUnavailable as error:  # of a record, or of what was held when the worker started
            raise RetryLater(str(error)) from error

    def _process(self, records: Sequence[SourceRecord]) -> list[OutputRecord]:
        self._follow_rules()
        now = self._clock()
        outputs: list[OutputRecord] = []
        for record in records:
            grouping = self._grouping_of(record)
            try:
                effects, rejected = self._take(grouping, record, now), list[OutputRecord]()
            except BadPacket as bad:
                effects, rejected = [], self._reject(record, bad.reason, bad.message)
            except RegistryUnavailable:
                raise
            except Exception as error:
                log.exception("score could not be judged", partition=record.partition, offset=record.offset)
                effects, rejected = [], self._reject(record, "record_failed", repr(error))
            outputs += [self._written(record.partition, effect) for effect in effects]
            outputs += rejected
        for partition, grouping in self._groupings.items():
            outputs += [self._written(partition, effect) for effect in grouping.release(now)]
            outputs += [
                changelog_record(self._writer, self._topics.neighbours, partition, key, star)
                for key, star in grouping.changes()
            ]
        return outputs

    def restore(self, partitions: Sequence[int]) -> None:
        """Begin with partitions, with the state that their changelog holds. Blocks.

        While the schema registry is out of reach the state is kept as it was read: `process` tries again.

        Raises
        ------
        StageFatal
            A record of it cannot be read, or it lacks a partition.
        """
        state = self._read_state(partitions)
        if missing := sorted(set(partitions) - state.keys()):
            raise StageFatal(
                f"{self._topics.neighbours} lacks the partitions {missing} that {self._topics.scores} has: "
                "both must have as many"
            )
        self._unread.update(state)
        try:
            self._load()
        except RegistryUnavailable as error:
            log.warning("state not yet restored", partitions=sorted(self._unread), reason=str(error))

    def drop(self, partitions: Sequence[int]) -> None:
        """Forget partitions that another worker has now."""
        for partition in partitions:
            self._groupings.pop(partition, None)
            self._unread.pop(partition, None)

    def due(self) -> bool:
        """Whether a hold is over, or state waits to be loaded. A quiet stream follows its rules here too."""
        self._rules.refresh()
        if self._unread:
            return True
        release = self._next_release_ms()
        return release is not None and release <= self._clock()

    def idle_s(self) -> float:
        """How long the stage may wait for records before a hold is over."""
        release = self._next_release_ms()
        if release is None:
            return _LONGEST_IDLE_S
        return min(max((release - self._clock()) / 1000, _SHORTEST_IDLE_S), _LONGEST_IDLE_S)

    def committed(self) -> None:
        """Let the changes of the last batch stand."""
        for grouping in self._groupings.values():
            grouping.commit()

    def rewound(self) -> None:
        """Take the changes of the last batch back."""
        for grouping in self._groupings.values():
            grouping.rollback()

    def _next_release_ms(self) -> int | None:
        releases = (grouping.next_release_ms for grouping in self._groupings.values())
        return min((release for release in releases if release is not None), default=None)

    def _follow_rules(self) -> None:
        rules = self._rules.refresh().grouping
        for grouping in self._groupings.values():
            if grouping.rules != rules:
                grouping.rules = rules

    def _load(self) -> None:
        """Put what was read of the changelog in its place, one partition whole after the other."""
        began, partitions, n = time.perf_counter(), sorted(self._unread), 0
        for partition in partitions:
            values = self._unread[partition]
            self._groupings[partition] = self._stored(partition, values)
            del self._unread[partition]
            n += len(values)
        if partitions:
            seconds = round(time.perf_counter() - began, 3)
            log.info("state restored", partitions=partitions, stars=n, seconds=seconds)

    def _stored(self, partition: int, values: Mapping[bytes, bytes]) -> Grouping:
        grouping, now = Grouping(self._rules.refresh().grouping), self._clock()
        for number, value in enumerate(values.values()):
            try:
                key, star = stored_star(self._decode_state(value))
            except BadPacket as error:
                raise StageFatal(f"{self._topics.neighbours}[{partition}]: {error}") from error
            grouping.load(key, star, now)
            if number % _BEAT_EVERY == 0:
                self._beat()
        return grouping

    def _grouping_of(self, source: SourceRecord) -> Grouping:
        grouping = self._groupings.get(source.partition)
        if grouping is None:
            at = f"{source.topic}[{source.partition}]@{source.offset}"
            raise StageFatal(f"{at} came without the state of its partition")
        return grouping

    def _take(self, grouping: Grouping, source: SourceRecord, now: int) -> list[Effect]:
        """Add one record to its partition's grouping; nothing is added where this raises."""
        if (source.header(SCHEMA_HEADER) or "").startswith(f"{RETRACT_SCHEMA.name}/"):
            order = self._decode_retract(source.value)
            key = StarKey(Space(order["tense"], order["replay_id"]), order["cell"], order["star_id"])
            return grouping.retract(
                key,
                order["reason"],
                source.offset,
                trace_id=short_header(source, TRACE_HEADER),
                timestamp=source.timestamp,
            )
        score = self._decode_score(source.value)
        arrival = arrival_of(
            score,
            source.offset,
            trace_id=short_header(source, TRACE_HEADER),
            redriven_from=short_header(source, REDRIVEN_HEADER),
            body=b"" if score["halo"] else zlib.compress(source.value),
            timestamp=source.timestamp,
        )
        return grouping.take(arrival, now)

    def _written(self, partition: int, effect: Effect) -> OutputRecord:
        if isinstance(effect, Alert):
            return self._alert(effect)
        return self._outcome(
            _source(self._topics.scores, partition, effect),
            effect.kind,
            candidate_id=effect.candidate_id,
            reason=effect.reason,
            group_id=effect.group_id,
            trace=_trace(effect),
        )

    def _alert(self, alert: Alert) -> OutputRecord:
        score = self._decode_score(zlib.decompress(alert.body))
        record = alert_record(alert, score, self._rules.current, self._clock())
        return self._writer.write(
            self._topics.scored,
            ALERT_SCHEMA,
            record,
            key=alert.group_id,
            headers=(
                *trace_headers(score["candidate_id"], score["tense"], alert.trace_id),
                ("alert-type", alert.type.value.encode()),
            ),
        )

    def _reject(self, source: SourceRecord, reason: str, message: str) -> list[OutputRecord]:
        return [
            self._quarantine.record(source, reason, message, self._clock()),
            self._outcome(
                source,
                OutcomeKind.QUARANTINED,
                candidate_id=short_header(source, CANDIDATE_HEADER),
                reason=reason,
                trace=inherited_headers(source),
            ),
        ]

    def _outcome(
        self,
        source: SourceRecord,
        outcome: OutcomeKind,
        *,
        candidate_id: str | None = None,
        reason: str | None = None,
        group_id: str | None = None,
        trace: Headers = (),
    ) -> OutputRecord:
        return outcome_record(
            self._writer,
            self._topics.outcomes,
            stage=STAGE,
            source=source,
            outcome=outcome,
            settings_hash=self._rules.hash,
            time_ms=self._clock(),
            candidate_id=candidate_id,
            reason=reason,
            group_id=group_id,
            trace=trace,
        )


def _trace(outcome: Outcome) -> Headers:
    if outcome.candidate_id is None:
        return ()
    return trace_headers(outcome.candidate_id, outcome.space.tense, outcome.trace_id)


def _source(topic: str, partition: int, outcome: Outcome) -> SourceRecord:
    """The record that an outcome speaks of, which may be long read."""
    redriven = outcome.redriven_from
    headers = () if redriven is None else ((REDRIVEN_HEADER, redriven.encode()),)
    return SourceRecord(topic, partition, outcome.offset, None, b"", headers, outcome.timestamp)
