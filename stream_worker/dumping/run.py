"""Reads the candidates topic into day files, until its end or until told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from schemas.wire import Confluent, UnframedPacket, unframe
from stream_worker.codec import RegistryClient, RegistryUnavailable, UnknownSchemaId
from stream_worker.dumping.day_files import BLOCK_BYTES, DayFiles, day_of, open_day_files, own_folder
from stream_worker.kafka.clients import plain_consumer
from stream_worker.kafka.consumer import record_with_headers
from stream_worker.kafka.reading import watermarks
from stream_worker.kafka.records import SourceRecord
from stream_worker.plans import open_registry
from stream_worker.settings import Settings

log = structlog.get_logger(__name__)

_FLUSH_EVERY_S: Final = 5.0
_REGISTRY_WAIT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class DumpReport:
    """What was written: records, files given their names, and offsets that the topic no longer had."""

    records: int
    files: tuple[Path, ...]
    gaps: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "records": self.records,
            "files": [str(path) for path in self.files],
            "gaps": list(self.gaps),
        }


def dump_candidates(
    settings: Settings,
    folder: Path,
    *,
    once: bool,
    stop: Event,
    progress: Callable[[int], None] = lambda _records: None,
) -> DumpReport:
    """Write committed records of the candidates topic from where the folder's dump ends. Blocks.

    Files in the making get their names when their day is over on every partition, and at the end.

    Parameters
    ----------
    once
        End at the topic's present end; else go on until ``stop`` is set.

    Raises
    ------
    DumpError
        The folder can't be used.
    KafkaException
        The topic doesn't exist, or the broker didn't answer.
    """
    with own_folder(folder):
        return _dump(settings, folder, once, stop, progress)


def _dump(
    settings: Settings, folder: Path, once: bool, stop: Event, progress: Callable[[int], None]
) -> DumpReport:
    topic = settings.topics.candidates
    files = open_day_files(folder, topic)
    consumer = plain_consumer(settings.kafka, "lensnet-archive")
    try:
        marks = watermarks(consumer, topic)
        gaps = _assign(consumer, topic, marks, files.next_offsets)
        dump = _Dump(files, open_registry(settings.registry), {n: _Position() for n in marks}, stop)
        written = dump.run(consumer, {n: high for n, (_, high) in marks.items()} if once else None, progress)
        named = [*dump.named, *files.close(files.days)]
    finally:
        consumer.close()
    return DumpReport(written, tuple(named), tuple(gaps))


@dataclass(slots=True)
class _Position:
    """Where a partition has come to: the day of its newest record, and whether its end was seen."""

    offset: int = 0
    day: str = ""
    at_end: bool = False


class _Stopped(Exception):
    """The dump was told to stop before a record's schema was known: the record is left to the next run."""


class _Dump:
    def __init__(
        self, files: DayFiles, registry: RegistryClient | None, positions: dict[int, _Position], stop: Event
    ) -> None:
        self._files = files
        self._registry = registry
        self._positions = positions
        self._stop = stop
        self._schemas: dict[int, Mapping[str, Any] | None] = {}
        self.named: list[Path] = []

    def run(self, consumer: Consumer, ends: Mapping[int, int] | None, progress: Callable[[int], None]) -> int:
        """Write until ``ends``, or until told to stop; return how many records."""
        written, last = 0, time.monotonic()
        while not self._stop.is_set() and not self._reached(ends):
            for message in consumer.consume(500, 0.5):
                error = message.error()
                number = message.partition()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                    raise KafkaException(error)
                if number is None:
                    continue
                position = self._positions[number]
                if error is not None:
                    position.at_end, position.offset = True, message.offset() or 0
                    continue
                record = record_with_headers(message)
                try:
                    self._add(record)
                except _Stopped:
                    break
                position.at_end, position.offset = False, record.offset + 1
                position.day = max(position.day, day_of(record.timestamp))
                written += 1
            if self._files.waiting >= BLOCK_BYTES or time.monotonic() - last > _FLUSH_EVERY_S:
                last = time.monotonic()
                self._files.flush()
                self._close_days()
                progress(written)
        self._files.flush()
        progress(written)
        return written

    def _reached(self, ends: Mapping[int, int] | None) -> bool:
        if ends is None:
            return False
        return all(one.at_end or one.offset >= ends[n] for n, one in self._positions.items())

    def _close_days(self) -> None:
        """Name the files of days that every partition has left behind."""
        today = day_of(int(time.time() * 1000))
        reached = min((today if one.at_end else one.day for one in self._positions.values()), default="")
        over = [day for day in self._files.days if day < reached]
        if over:
            self.named += self._files.close(over)

    def _add(self, record: SourceRecord) -> None:
        schema_id = _schema_id(record.value)
        schema = None if schema_id is None else self._schema(schema_id)
        self._files.add(record, schema_id, schema)

    def _schema(self, schema_id: int) -> Mapping[str, Any] | None:
        """The registry's schema of an id; None where it has none. Blocks while it is away.

        Raises
        ------
        _Stopped
            It is still away at the stop.
        """
        if self._registry is None:
            return None
        while schema_id not in self._schemas:
            try:
                self._schemas[schema_id] = self._registry.schema(schema_id)
            except UnknownSchemaId as error:
                log.warning(
                    "schema id unknown, packets kept as they are", schema_id=schema_id, error=str(error)
                )
                self._schemas[schema_id] = None
            except RegistryUnavailable as error:
                log.warning("registry out of reach, waiting", error=str(error))
                if self._stop.wait(_REGISTRY_WAIT_S):
                    raise _Stopped from error  # without its schema the packet could never be read
        return self._schemas[schema_id]


def _schema_id(packet: bytes) -> int | None:
    try:
        framed = unframe(packet)
    except UnframedPacket:
        return None
    return framed.schema_id if isinstance(framed, Confluent) else None


def _assign(
    consumer: Consumer, topic: str, marks: Mapping[int, tuple[int, int]], next_offsets: Mapping[int, int]
) -> list[str]:
    """Assign every partition from where the dump ends; tell what the topic no longer has."""
    gaps, wanted = [], []
    for number, (low, _) in sorted(marks.items()):
        offset = next_offsets.get(number)
        if offset is not None and offset < low:
            gaps.append(f"{topic}[{number}]: offsets {offset} to {low - 1} are gone from the topic")
            log.warning("records lost to retention", partition=number, first=offset, last=low - 1)
            offset = low
        wanted.append(TopicPartition(topic, number, OFFSET_BEGINNING if offset is None else offset))
    consumer.assign(wanted)
    return gaps
