"""A replay through topics and stages of its own."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from stream_worker.kafka.clients import admin_client, plain_consumer, transactional_producer
from stream_worker.kafka.topics import TopicSpec, create_topics, topic_specs
from stream_worker.kafka.transaction import KafkaTransactions
from stream_worker.local_stream.processes import ProcessFailed, WorkerProcess, start_worker, stopping
from stream_worker.local_stream.stream import worker_environment
from stream_worker.plans import candidate_encoder, output_frame
from stream_worker.replay.checkpoint import CheckpointError
from stream_worker.replay.names import checkpoint_topic
from stream_worker.replay.plan import ReplayPlan
from stream_worker.replay.refusal import Refusals
from stream_worker.replay.sending import ArchiveSender, Pace, Sent, sent_so_far
from stream_worker.settings import Settings

_RETENTION_DAYS: Final = 30
_STALLED_S: Final = 300.0
_START_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Through:
    """How a replay goes through topics.

    Parameters
    ----------
    settings
        With the topics and groups that it uses.
    scorers
        Scoring processes to run here; 0 leaves the stages to others.
    replication_factor
        Of new topics; -1 is the broker's own.
    """

    settings: Settings
    partitions: int
    replication_factor: int
    scorers: int
    speed: float
    resume: bool
    skip_faults: bool


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What a replay through topics did; ``seconds`` from the first record sent to the last outcome."""

    replay_id: str
    topics: dict[str, str]
    sent: Sent
    scored: int | None
    grouped: int | None
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "replay_id": self.replay_id,
            "topics": self.topics,
            "sent": self.sent.sent,
            "left_out": self.sent.left_out,
            "refused": self.sent.refused,
            "faults": list(self.sent.faults),
            "score_outcomes": self.scored,
            "grouping_outcomes": self.grouped,
            "seconds": round(self.seconds, 3),
        }


def replay_to_topic(
    plan: ReplayPlan,
    through: Through,
    *,
    started: Callable[[int], None] = lambda _done: None,
    progress: Callable[[int], None] = lambda _done: None,
    say: Callable[[str], None] = lambda _text: None,
) -> TopicReport:
    """Send the archives, and unless others run them, run the stages until every record has its outcome.

    Blocks. Interrupted at any moment, it goes on with ``resume``: nothing is lost or sent twice.

    Raises
    ------
    ArchiveFault
        A part of an archive can't be read and is not to be skipped; what came before it is sent.
    CheckpointError
        It can't be begun or go on: see `begin_at`.
    ProducerFatal
        Another process has taken this replay over.
    TransactionAborted, ProcessFailed, TopicCreationError, KafkaException
        What went wrong, in one message.
    """
    settings = through.settings
    note_topic = checkpoint_topic(plan.replay_id)
    _create(through, note_topic)
    producer = transactional_producer(
        settings.kafka, f"{note_topic}.producer", "lensnet-replay", lambda _error: None
    )
    sink = KafkaTransactions(producer, timeout_s=settings.kafka.transaction_timeout_ms / 1000)
    sink.open()  # from here on a predecessor is fenced, and what it left open is aborted
    begin = begin_at(plan, through, sent_so_far(settings.kafka, note_topic))
    started(sum(chunk.count or 0 for chunk in plan.chunks[: begin.chunk]) + begin.record)
    sender = ArchiveSender(
        plan,
        sink,
        settings.topics.candidates,
        note_topic,
        candidate_encoder(settings),
        Refusals(settings, output_frame(settings)).of,
        Pace(through.speed),
        through.skip_faults,
        progress,
    )
    topics = settings.topics.model_dump()
    clock = time.monotonic()
    with ExitStack() as stack:
        workers = _start_stages(through, stack)
        clock = time.monotonic()
        sent = sender.send(begin)
        if not workers:
            return TopicReport(plan.replay_id, topics, sent, None, None, time.monotonic() - clock)
        say(f"{sent.sent} candidates sent; waiting for their outcomes")
        scored, grouped = _settle(settings, sent.sent + sent.refused, workers, say)
        return TopicReport(plan.replay_id, topics, sent, scored, grouped, time.monotonic() - clock)


def _create(through: Through, note_topic: str) -> None:
    settings = through.settings
    specs = [
        *topic_specs(settings, through.partitions, _RETENTION_DAYS),
        TopicSpec(note_topic, 1, {"cleanup.policy": "compact"}),
    ]
    create_topics(
        admin_client(settings.kafka, "lensnet-replay"), specs, replication_factor=through.replication_factor
    )


def begin_at(plan: ReplayPlan, through: Through, known: Sent | None) -> Sent:
    """Where sending begins, by the last note; None if there is none.

    Raises
    ------
    CheckpointError
        The replay was begun before, and is not to be resumed, is another one, went to other topics, or left
        out what is to stop it now.
    """
    name = f"replay {plan.replay_id}"
    what = {**plan.pins, "topic": through.settings.topics.candidates}
    pins = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
    if known is None:
        return Sent(pins=pins)
    if not through.resume:
        raise CheckpointError(
            f"{name} was begun before ({checkpoint_topic(plan.replay_id)}): go on with --resume, or give it"
            " another --replay-id"
        )
    if known.pins != pins:
        raise CheckpointError(
            f"{name} was begun with other archives, selection, model, rules or topics: repeat its options, or"
            " give this one another --replay-id"
        )
    if known.faults and not through.skip_faults:
        raise CheckpointError(
            f"{name} went on without {'; '.join(known.faults)}: go on with --resume --on-fault skip, or give"
            " this one another --replay-id"
        )
    return known


def _start_stages(through: Through, stack: ExitStack) -> list[WorkerProcess]:
    if not through.scorers:
        return []
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lensnet-replay-")))
    environ = worker_environment(through.settings)
    stages = ["score"] * through.scorers + ["deduplicate"]
    workers = [start_worker(stage, environ, folder) for stage in stages]
    stack.enter_context(stopping(workers, lambda _name, _code: None))
    for worker in workers:
        worker.wait_started(_START_S)
    return workers


def _settle(
    settings: Settings, records: int, workers: list[WorkerProcess], say: Callable[[str], None]
) -> tuple[int, int]:
    """Wait until every record and every score has its outcome; return how many outcomes of each stage."""
    topics = settings.topics
    consumer = plain_consumer(settings.kafka, "lensnet-replay-settle")
    counted = {"score": 0, "deduplicate": 0, topics.scores: 0}
    last, told = time.monotonic(), time.monotonic()
    try:
        _assign(consumer, (topics.outcomes, topics.scores))
        while counted["score"] < records or counted["deduplicate"] < counted[topics.scores]:
            for message in consumer.consume(1000, 0.5):
                error = message.error()
                if error is None:
                    _count(counted, message.topic() or "", message.key() or b"", topics.scores)
                    last = time.monotonic()
                elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's local codes
                    raise KafkaException(error)
            for worker in workers:
                if worker.process.poll() is not None:
                    raise ProcessFailed(f"{worker.name} ended:\n{worker.tail()}")
            if time.monotonic() - last > _STALLED_S:
                raise ProcessFailed(
                    f"no outcome for {_STALLED_S:g} s, {counted['score']} of {records} are there"
                )
            if time.monotonic() - told > 3.0:
                told = time.monotonic()
                say(f"{counted['score']} of {records} scored, {counted['deduplicate']} scores grouped")
    finally:
        consumer.close()
    return counted["score"], counted["deduplicate"]


def _assign(consumer: Consumer, topics: tuple[str, ...]) -> None:
    consumer.assign(
        [
            TopicPartition(topic, number, OFFSET_BEGINNING)
            for topic in topics
            for number in consumer.list_topics(topic, 30.0).topics[topic].partitions
        ]
    )


def _count(counted: dict[str, int], topic: str, key: bytes, scores: str) -> None:
    """Count a score, or an outcome by its stage, which its key begins with."""
    name = scores if topic == scores else key.split(b"/", 1)[0].decode()
    if name in counted:
        counted[name] += 1
