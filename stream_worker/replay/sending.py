"""Sends an archive to a candidates topic, every record once however often it is interrupted.

Candidates and the note of how far the replay has come are written in one transaction; a resumed replay takes
over the transactional id, which aborts what its predecessor left open, and goes on from the note.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException

from stream_worker.archives import Archived, ArchiveFault
from stream_worker.candidate import Candidate
from stream_worker.codec import CANDIDATE, BadPacket
from stream_worker.kafka.clients import plain_consumer
from stream_worker.kafka.errors import TransactionAborted
from stream_worker.kafka.reading import read_all, watermarks
from stream_worker.kafka.records import Batch, OutputRecord, TransactionSink
from stream_worker.outputs import SCHEMA_HEADER, trace_headers
from stream_worker.replay.plan import ReplayPlan
from stream_worker.replay.selection import as_replayed
from stream_worker.settings import KafkaSettings

AT_ONCE: Final = 512
"""Records of one transaction."""

_MAX_BYTES: Final = 32 * 2**20
_ATTEMPTS: Final = 8
_BACKOFF_S: Final = 0.5
_LEADER_WAIT_S: Final = 30.0
_NO_LEADER_YET: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - librdkafka's local codes start so
    }
)
_SCHEMA: Final = (SCHEMA_HEADER, f"{CANDIDATE.name}/{CANDIDATE.version}".encode())


@dataclass(frozen=True, slots=True)
class Sent:
    """How far a replay has been sent: ``record`` records of chunk ``chunk`` are behind it.

    ``sent`` candidates are on the topic, ``left_out`` took no part, ``refused`` records are no candidates and
    were quarantined; ``faults`` are parts that could not be read; ``pins`` tells which replay.
    """

    chunk: int = 0
    record: int = 0
    sent: int = 0
    left_out: int = 0
    refused: int = 0
    faults: tuple[str, ...] = ()
    pins: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """Keeps to the archive's own time, ``speed`` times quicker; infinite is as fast as it goes."""

    speed: float
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def waits(self) -> Callable[[int], float]:
        """How long a candidate produced at a time (ms) has still to wait, from the first one on."""
        first: list[tuple[int, float]] = []

        def wait(produced_at: int) -> float:
            if self.speed == math.inf:
                return 0.0
            if not first:
                first.append((produced_at, self.monotonic()))
            begun_at, begun = first[0]
            due = begun + (produced_at - begun_at) / 1000.0 / self.speed
            return max(0.0, due - self.monotonic())

        return wait


class _Read(NamedTuple):
    """What was found at a place: ``record`` of ``chunk``, from ``archive``."""

    chunk: int
    record: int
    archive: str
    found: Archived | ArchiveFault


@dataclass(slots=True)
class ArchiveSender:
    """Sends the records of a plan.

    Parameters
    ----------
    sink
        Transactional; its id is the replay's own.
    topic, checkpoint_topic
        Where candidates go, and where the notes go.
    encode
        Makes the packet.
    refuse
        Makes the records that quarantine what is no candidate; takes the name of its archive too.
    """

    plan: ReplayPlan
    sink: TransactionSink
    topic: str
    checkpoint_topic: str
    encode: Callable[[Candidate], bytes]
    refuse: Callable[[str, Archived, BadPacket], list[OutputRecord]]
    pace: Pace
    skip_faults: bool
    progress: Callable[[int], None] = lambda _done: None

    def send(self, begin: Sent) -> Sent:
        """Send everything from ``begin`` on; blocks until all of it is committed.

        Raises
        ------
        ArchiveFault
            A piece can't be read and faults are not skipped; what came before it is sent.
        TransactionAborted
            The broker would not commit, again and again.
        ProducerFatal
            Another process has taken this replay over.
        """
        at = begin
        outputs: list[OutputRecord] = []
        size = 0
        wait = self.pace.waits()
        behind = sum(chunk.count or 0 for chunk in self.plan.chunks[: begin.chunk]) + begin.record
        for read in self._records(begin):
            one = read.found
            if isinstance(one, ArchiveFault):
                if not self.skip_faults:
                    self._commit(outputs, at)
                    raise one
                at = _after_fault(at, read, one)
                continue
            more = self._outputs(read.archive, one)
            after = _after(at, read, one, taken=bool(more))
            behind += 1
            if not more:
                at = after
                continue
            pause = wait(one.content.produced_at) if isinstance(one.content, Candidate) else 0.0
            if outputs and (pause > 0 or len(outputs) >= AT_ONCE or size > _MAX_BYTES):
                self._commit(outputs, at)  # never with a transaction open through a pause
                self.progress(behind - 1)
                outputs, size = [], 0
            if pause > 0:
                self.pace.sleep(pause)
            outputs += more
            size += sum(len(output.value or b"") for output in more)
            at = after
        at = replace(at, chunk=len(self.plan.chunks), record=0)
        self._commit(outputs, at)
        self.progress(behind)
        return at

    def _records(self, begin: Sent) -> Iterator[_Read]:
        """Records and faults, from ``begin`` on."""
        pieces = [archive.pieces for archive in self.plan.archives]
        for chunk in self.plan.chunks[begin.chunk :]:
            skip = begin.record if chunk.number == begin.chunk else 0
            record = 0
            for place, number in chunk.pieces:
                name = self.plan.names[place]
                try:
                    for one in self.plan.archives[place].read(pieces[place][number]):
                        if record >= skip:
                            yield _Read(chunk.number, record, name, one)
                        record += 1
                except ArchiveFault as fault:
                    yield _Read(chunk.number, record, name, fault)

    def _outputs(self, archive: str, one: Archived) -> list[OutputRecord]:
        """A candidate's packet, or the quarantine of what is none; nothing of what takes no part."""
        if isinstance(one.content, BadPacket):
            return self.refuse(archive, one, one.content)
        if not self.plan.selection.takes(one.content):
            return []
        candidate = as_replayed(one.content, self.plan.replay_id)
        headers = (*trace_headers(candidate.candidate_id, candidate.tense.value, None), _SCHEMA)
        return [OutputRecord(self.topic, candidate.star_id.encode(), self.encode(candidate), headers)]

    def _commit(self, outputs: list[OutputRecord], at: Sent) -> None:
        note = OutputRecord(self.checkpoint_topic, b"sent", json.dumps(asdict(at)).encode())
        for attempt in range(_ATTEMPTS):
            try:
                self.sink.commit([*outputs, note], Batch(records=()))
            except TransactionAborted:
                if attempt == _ATTEMPTS - 1:
                    raise
                self.pace.sleep(_BACKOFF_S * 2**attempt)
            else:
                return


def sent_so_far(kafka: KafkaSettings, checkpoint_topic: str) -> Sent | None:
    """The last note of a replay; None if it was never begun. Blocks.

    Raises
    ------
    KafkaException
        The topic doesn't exist, or the broker didn't answer.
    """
    consumer = plain_consumer(kafka, "lensnet-replay-sent")
    last: dict[str, Any] | None = None
    try:
        _await_leader(consumer, checkpoint_topic)
        for record in read_all(consumer, checkpoint_topic):
            last = json.loads(record.value)
    except ValueError as error:
        raise KafkaException(f"{checkpoint_topic} holds no note of a replay: {error}") from error
    finally:
        consumer.close()
    return None if last is None else Sent(**{**last, "faults": tuple(last["faults"])})


def _await_leader(consumer: Consumer, topic: str) -> None:
    """Wait until a topic that was created a moment ago can be read."""
    deadline = time.monotonic() + _LEADER_WAIT_S
    while True:
        try:
            watermarks(consumer, topic)
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                raise
            time.sleep(_BACKOFF_S)
        else:
            return


def _after(at: Sent, read: _Read, one: Archived, *, taken: bool) -> Sent:
    """The note after a record, counted by what became of it."""
    place = replace(at, chunk=read.chunk, record=read.record + 1)
    if isinstance(one.content, BadPacket):
        return replace(place, refused=at.refused + 1)
    return replace(place, sent=at.sent + 1) if taken else replace(place, left_out=at.left_out + 1)


def _after_fault(at: Sent, read: _Read, fault: ArchiveFault) -> Sent:
    """The note after a fault, which is told once though its chunk is read again."""
    text = f"{read.archive}: {fault.where}: {fault.reason}"
    faults = at.faults if text in at.faults else (*at.faults, text)
    return replace(at, chunk=read.chunk, record=read.record, faults=faults)
