"""Recreates a lost changelog of the grouping stage from scores, outcomes and alerts."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import nan
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupState

from stream_worker.balance import Position
from stream_worker.changelog import changelog_record, key_text
from stream_worker.codec.errors import BadPacket
from stream_worker.deduplicate_stage import STAGE
from stream_worker.kafka import clients
from stream_worker.kafka.changelog import latest_values
from stream_worker.kafka.partitioner import partition_of
from stream_worker.kafka.reading import (
    OnSkipped,
    committed_offsets,
    decoded,
    kept_since,
    read_all,
    settled_after_s,
    written_ends,
)
from stream_worker.kafka.records import Batch, OutputRecord, SourceRecord
from stream_worker.kafka.topics import partition_counts
from stream_worker.kafka.transaction import KafkaTransactions
from stream_worker.neighbours import Arrival, Grouping, arrival_of, group_id
from stream_worker.neighbours.lifecycle import OPERATOR
from stream_worker.neighbours.star import Published
from stream_worker.outcome import OutcomeKind
from stream_worker.outputs import OutputWriter
from stream_worker.plans import output_frame, record_decoder
from stream_worker.settings import Settings
from stream_worker.worker import now_ms, worker_name

_PER_TRANSACTION = 2_000
_TIMEOUT_S = 30.0
_NOT_IN_STATE = frozenset({OutcomeKind.QUARANTINED, OutcomeKind.TOO_LATE, OutcomeKind.DUPLICATE})


class RebuildRefused(Exception):
    """The changelog must not be rebuilt now; the message says why."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was written: stars, of them live, records held, and keys forgotten that only the old one had."""

    stars: int
    live: int
    held: int
    forgotten: int


@dataclass(slots=True)
class _Group:
    """What the alerts of one group say; ``body`` comes with its score."""

    alerts: int = 0
    live: bool = False
    by_operator: bool = False
    candidate_id: str = ""
    p_review: float = 0.0
    p_event: float = nan
    delta_chi2: float = 0.0
    crowded: bool = False
    body: bytes = b""

    def add(self, alert: dict[str, Any]) -> None:
        self.alerts += 1
        self.live = alert["alert_type"] != "RETRACTION"
        self.by_operator = not self.live and alert["reason"].startswith(OPERATOR)
        if self.live:
            self.candidate_id, self.p_review = alert["candidate_id"], alert["p_review"]
            self.p_event = nan if alert["p_event"] is None else alert["p_event"]
            self.delta_chi2 = alert["alertfinder"]["delta_chi2"]
            self.crowded = alert["neighbours"]["crowded"]

    def published(self) -> Published:
        return Published(
            live=self.live,
            revision=self.alerts,
            p_review=self.p_review,
            p_event=self.p_event,
            delta_chi2=self.delta_chi2,
            crowded=self.crowded,
            by_operator=self.by_operator,
            body=self.body if self.live else b"",
        )


def rebuild(settings: Settings, *, progress: Callable[[int], None] = lambda _: None) -> Rebuilt:
    """Write the state anew, as of the stage's committed offsets. Blocks; may be repeated.

    Records below them without an outcome were held when the changelog was lost: they are held again. Those
    older than what the outcomes topic still keeps have had theirs: nobody is told of them again.

    A sky cell's state goes to the partition of its next score, also where there were fewer partitions once;
    with a partitioner of the operator's own it goes where its scores were.

    Raises
    ------
    RebuildRefused
        A worker of the stage is running, the changelog has not as many partitions as the scores, or a record
        that waits or was held is not on the partition that its cell has now.
    KafkaException
        A topic doesn't exist, or the broker didn't answer.
    BadPacket
        An outcome or alert cannot be decoded.
    """
    refuse_while_running(settings)
    place = _placing(settings)
    committed = committed_offsets(settings.kafka, settings.deduplicate.group_id, settings.topics.scores)
    decided = _decided(settings, committed)
    groups = _groups(settings)
    groupings = _regroup(settings, place, decided, groups, progress)
    for grouping in groupings.values():
        _add_published(grouping, groups)
    return _write(settings, groupings)


def refuse_while_running(settings: Settings) -> None:
    """Raise RebuildRefused while the stage's group has members."""
    group = settings.deduplicate.group_id
    admin = clients.admin_client(settings.kafka, "lensnet-rebuild")
    described = admin.describe_consumer_groups([group], request_timeout=_TIMEOUT_S)[group].result(_TIMEOUT_S)
    if described.state not in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD):
        raise RebuildRefused(
            f"group {group} has {len(described.members)} members ({described.state.name.lower()}): "
            "stop the deduplicate workers first"
        )


def _partitions(settings: Settings) -> int:
    """How many partitions the scores have, and the changelog too; raises RebuildRefused otherwise."""
    scores, neighbours = settings.topics.scores, settings.topics.neighbours
    counts = partition_counts(clients.admin_client(settings.kafka, "lensnet-rebuild"), (scores, neighbours))
    if missing := [topic for topic in (scores, neighbours) if topic not in counts]:
        raise RebuildRefused(f"missing: {', '.join(missing)} (stream-worker topics create)")
    if counts[scores] != counts[neighbours]:
        raise RebuildRefused(
            f"{scores} has {counts[scores]} partitions, {neighbours} has {counts[neighbours]}: "
            "both must have as many"
        )
    return counts[scores]


def _refuse(_: SourceRecord, error: BadPacket) -> None:
    raise error


def _skip(_record: SourceRecord, _error: BadPacket) -> None:
    """Go on without an order, or what was quarantined."""


def _read(
    settings: Settings, consumer: Consumer, topic: str, schema: str, on_skipped: OnSkipped = _refuse
) -> Iterator[tuple[SourceRecord, dict[str, Any]]]:
    """Records up to all that is written: what lies behind a transaction that is still open counts."""
    kafka = settings.kafka
    ends = written_ends(kafka, "lensnet-rebuild-ends", topic)
    records = read_all(consumer, topic, ends=ends, timeout_s=settled_after_s(kafka))
    return decoded(records, record_decoder(settings, schema), on_skipped)


@contextmanager
def _consumer(settings: Settings) -> Iterator[Consumer]:
    consumer = clients.plain_consumer(settings.kafka, "lensnet-rebuild")
    try:
        yield consumer
    finally:
        consumer.close()


@dataclass(frozen=True, slots=True)
class _Decided:
    """Whether each decided record took part in grouping, by the rules of its time.

    Outcomes older than ``kept_since`` (ms) may be gone; None: all are there. Records from ``committed`` on
    wait.
    """

    took_part: dict[Position, bool]
    kept_since: int | None
    committed: dict[int, int]

    def waits(self, record: SourceRecord) -> bool:
        """Whether a record is not yet processed."""
        return record.offset >= self.committed.get(record.partition, 0)

    def of(self, record: SourceRecord) -> bool | None:
        """None of a record that was held: it has no outcome, and would still have it."""
        found = self.took_part.get((record.partition, record.offset))
        if found is None and self.kept_since is not None and (record.timestamp or 0) < self.kept_since:
            return True
        return found


def _decided(settings: Settings, committed: dict[int, int]) -> _Decided:
    topic = settings.topics.outcomes
    took_part: dict[Position, bool] = {}
    oldest: dict[int, int] = {}
    with _consumer(settings) as consumer:
        for record, entry in _read(settings, consumer, topic, "outcome"):
            oldest.setdefault(record.partition, record.timestamp or 0)
            if entry["stage"] == STAGE:
                took_part[entry["partition"], entry["offset"]] = _took_part(entry)
        return _Decided(took_part, kept_since(consumer, topic, oldest), committed)


def _took_part(entry: dict[str, Any]) -> bool:
    # below the grouping threshold a record belongs to no group
    below = entry["outcome"] == OutcomeKind.BELOW_THRESHOLD and entry["group_id"] is None
    return not below and entry["outcome"] not in _NOT_IN_STATE


def _groups(settings: Settings) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    with _consumer(settings) as consumer:
        for _, alert in _read(settings, consumer, settings.topics.scored, "alert"):
            groups.setdefault(alert["group_id"], _Group()).add(alert)
    return groups


def _regroup(
    settings: Settings,
    place: Callable[[SourceRecord], int],
    decided: _Decided,
    groups: dict[str, _Group],
    progress: Callable[[int], None],
) -> dict[int, Grouping]:
    """Put every score below the committed offsets in its place, and its packet to the alert made of it."""
    told = {group.candidate_id: group for group in groups.values() if group.live}
    groupings: dict[int, Grouping] = {}
    for n, (record, score) in enumerate(_scores(settings)):
        partition = place(record)
        took_part = None if decided.waits(record) else decided.of(record)
        if took_part is None and partition != record.partition:
            raise RebuildRefused(_has_left(record, partition, decided))
        progress(n + 1)
        if decided.waits(record):
            continue
        grouping = groupings.setdefault(partition, Grouping(settings.rules.grouping))
        arrival = _arrival(record, score)
        if took_part is None:
            grouping.take(arrival, now_ms())
        elif took_part:
            grouping.learn(arrival, now_ms())
        if arrival.home and arrival.sighting.candidate_id in told:
            told[arrival.sighting.candidate_id].body = arrival.body
    return groupings


def _scores(settings: Settings) -> Iterator[tuple[SourceRecord, dict[str, Any]]]:
    with _consumer(settings) as consumer:
        yield from _read(settings, consumer, settings.topics.scores, "score", _skip)


def _placing(settings: Settings) -> Callable[[SourceRecord], int]:
    """Tells the partition of the next score of a record's sky cell."""
    partitions, as_java = _partitions(settings), clients.places_keys_as_java(settings.kafka)

    def place(record: SourceRecord) -> int:
        return partition_of(record.key, partitions) if as_java and record.key else record.partition

    return place


def _has_left(record: SourceRecord, partition: int, decided: _Decided) -> str:
    waits = "waits" if decided.waits(record) else "was held"
    return (
        f"{record.topic}[{record.partition}]@{record.offset} {waits} on a partition that its sky cell has "
        f"left, for {partition}: with the scorers stopped, let the deduplicate workers run until "
        "stream-worker balance shows none that waits or is held, and stop them again"
    )


def _arrival(record: SourceRecord, score: dict[str, Any]) -> Arrival:
    return arrival_of(score, record.offset, body=b"" if score["halo"] else zlib.compress(record.value))


def _add_published(grouping: Grouping, groups: dict[str, _Group]) -> None:
    for key, star in list(grouping.stars()):
        group = groups.get(group_id(key.space, key.star_id))
        if star.home and group is not None and (group.body or not group.live):
            grouping.load(key, replace(star, published=group.published()), now_ms())


def _write(settings: Settings, groupings: dict[int, Grouping]) -> Rebuilt:
    topic, writer = settings.topics.neighbours, OutputWriter(output_frame(settings))
    outputs: list[OutputRecord] = []
    stars = live = held = forgotten = 0
    kept = {key_text(key).encode() for grouping in groupings.values() for key, _ in grouping.stars()}
    for partition, values in latest_values(settings.kafka, topic).items():
        grouping = groupings.get(partition)
        known = dict(grouping.stars()) if grouping is not None else {}
        records = [changelog_record(writer, topic, partition, key, star) for key, star in known.items()]
        gone = values.keys() - {record.key for record in records}
        outputs += [OutputRecord(topic, key, None, partition=partition) for key in sorted(gone)]
        outputs += records
        stars += len(known)
        live += sum(star.published is not None and star.published.live for star in known.values())
        held += sum(len(star.held) for star in known.values())
        forgotten += len(gone - kept)  # the others are on another partition now
    _commit(settings, outputs)
    return Rebuilt(stars, live, held, forgotten)


def _commit(settings: Settings, outputs: list[OutputRecord]) -> None:
    name = worker_name("rebuild")
    kafka = settings.kafka
    producer = clients.transactional_producer(kafka, f"{name}-{now_ms()}", name, lambda _error: None)
    transactions = KafkaTransactions(producer, timeout_s=kafka.transaction_timeout_ms / 1000)
    transactions.open()
    for start in range(0, len(outputs), _PER_TRANSACTION):
        transactions.commit(outputs[start : start + _PER_TRANSACTION], Batch(()))
