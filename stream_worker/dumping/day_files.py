"""Day files of a dump and how far they have come, so that nothing is lost or written twice.

A file grows as a hidden part, block by block; the state file then says how long each part is and which
offsets come next. Whatever a crash leaves beyond that is cut off, and read again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from schemas.container import container_block, container_header
from stream_worker.archives.dump import ARCHIVED, SCHEMAS_KEY
from stream_worker.checked_zstd import compress
from stream_worker.codec import encode
from stream_worker.folder_lock import only_one
from stream_worker.kafka.records import SourceRecord

STATE_FILE: Final = ".dump.json"
_LOCK: Final = ".dump.lock"
BLOCK_BYTES: Final = 2**20
_LEVEL: Final = 3
_UNDATED: Final = "undated"


class DumpError(Exception):
    """The folder can't be used for this dump; the message says why."""


@dataclass(slots=True)
class _Part:
    """A file in the making: what is on disk, and records that still wait for a full block."""

    path: Path
    schemas: dict[str, Any]
    size: int
    bodies: list[bytes] = field(default_factory=list)
    waiting: int = 0


class DayFiles:
    """Writes records of one topic to a file per day of their timestamps (UTC).

    ``add`` keeps records in memory, `flush` makes them last, `close` ends files; made by `open_day_files`.
    """

    def __init__(
        self, folder: Path, topic: str, next_offsets: dict[int, int], parts: dict[str, _Part]
    ) -> None:
        self._folder = folder
        self._topic = topic
        self._written = dict(next_offsets)
        self._next = dict(next_offsets)
        self._parts = parts

    @property
    def next_offsets(self) -> Mapping[int, int]:
        """The first offset of each partition that is not safely on disk."""
        return self._written

    @property
    def waiting(self) -> int:
        """Bytes that `flush` would write."""
        return sum(part.waiting for part in self._parts.values())

    @property
    def days(self) -> list[str]:
        """Days whose files are in the making, ascending."""
        return sorted(self._parts)

    def add(
        self, record: SourceRecord, schema_id: int | None = None, schema: Mapping[str, Any] | None = None
    ) -> None:
        """Add a record, and of a packet with Confluent framing the schema that its id stands for."""
        day = day_of(record.timestamp)
        part = self._parts.get(day)
        if (
            part is not None
            and schema_id is not None
            and schema is not None
            and str(schema_id) not in part.schemas
        ):
            self.flush()
            self._finish(day)  # a file's header can't grow: the next file's holds this schema too
            part = None
        if part is None:
            known = {} if schema_id is None or schema is None else {str(schema_id): dict(schema)}
            part = self._parts[day] = _begin(self._folder, day, known)
        part.bodies.append(encode(ARCHIVED, _archived(record)))
        part.waiting += len(part.bodies[-1])
        self._next[record.partition] = record.offset + 1

    def flush(self) -> None:
        """Write what waits, then note how far it goes: from then on it survives a crash."""
        for part in self._parts.values():
            _append(part)
        self._written = dict(self._next)
        self._note()

    def close(self, days: Iterable[str]) -> list[Path]:
        """Flush, and give files of these days their names; a later record of such a day begins another."""
        self.flush()
        return [self._finish(day) for day in days]

    def _finish(self, day: str) -> Path:
        part = self._parts.pop(day)
        final = part.path.with_name(part.path.name.removeprefix(".").removesuffix(".part"))
        part.path.replace(final)
        self._note()
        return final

    def _note(self) -> None:
        state = {
            "topic": self._topic,
            "next_offsets": {str(number): offset for number, offset in sorted(self._written.items())},
            "parts": {
                day: {"name": part.path.name, "bytes": part.size, "schemas": part.schemas}
                for day, part in sorted(self._parts.items())
            },
        }
        part = self._folder / f"{STATE_FILE}.part"
        with part.open("w", encoding="utf-8") as file:
            json.dump(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._folder / STATE_FILE)


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Make the folder of a dump, and let nobody else write a dump to it within the block.

    Raises
    ------
    DumpError
        Another process does.
    OSError
        The folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder / _LOCK, DumpError(f"another dump is being written to {folder}")):
        yield


def open_day_files(folder: Path, topic: str) -> DayFiles:
    """Begin a dump in ``folder``, or go on with the one there, cutting off what a crash left half written.

    Raises
    ------
    DumpError
        The folder holds a dump of another topic, or its files don't fit its state.
    OSError
        The folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / STATE_FILE
    if not path.exists():
        return DayFiles(folder, topic, {}, {})
    try:
        state = json.loads(path.read_text("utf-8"))
        offsets = {int(number): int(offset) for number, offset in state["next_offsets"].items()}
        kept, listed = state["topic"], state["parts"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DumpError(f"{path}: no state of a dump: {type(error).__name__}: {error}") from error
    if kept != topic:
        raise DumpError(f"{folder} holds a dump of {kept}, not of {topic}: choose another folder")
    parts = {}
    for day, one in listed.items():
        part = _reopened(folder, one)
        if part is not None:
            parts[day] = part
    return DayFiles(folder, topic, offsets, parts)


def day_of(timestamp: int | None) -> str:
    """UTC day of a record's timestamp (ms), as it stands in the file's name."""
    return _UNDATED if timestamp is None else f"{datetime.fromtimestamp(timestamp / 1000, UTC):%Y-%m-%d}"


def _reopened(folder: Path, noted: Mapping[str, Any]) -> _Part | None:
    """A part as it was noted; None if it was given its name just before the crash."""
    path, size = folder / noted["name"], noted["bytes"]
    if not path.exists():
        final = path.with_name(path.name.removeprefix(".").removesuffix(".part"))
        if final.exists() and final.stat().st_size == size:
            return None
        raise DumpError(f"{path}: missing, the state of the dump lists it with {size} bytes")
    found = path.stat().st_size
    if found < size:
        raise DumpError(f"{path}: has {found} bytes, the state of the dump lists {size}")
    if found > size:
        os.truncate(path, size)
    return _Part(path, dict(noted["schemas"]), size)


def _begin(folder: Path, day: str, known: dict[str, Any]) -> _Part:
    number = 1
    while (folder / f"candidates-{day}-{number:03d}.avro").exists():
        number += 1
    path = folder / f".candidates-{day}-{number:03d}.avro.part"
    extra = {SCHEMAS_KEY: json.dumps(known, sort_keys=True).encode()}
    header = container_header(ARCHIVED, "zstandard", ARCHIVED.sync_marker, extra)
    path.write_bytes(header)
    return _Part(path, known, len(header))


def _append(part: _Part) -> None:
    if not part.bodies:
        return
    block = container_block(len(part.bodies), compress(b"".join(part.bodies), _LEVEL), ARCHIVED.sync_marker)
    with part.path.open("r+b") as file:
        file.seek(part.size)
        file.write(block)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    part.size += len(block)
    part.bodies, part.waiting = [], 0


def _archived(record: SourceRecord) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": record.key,
        "headers": [{"name": name, "value": value} for name, value in record.headers],
        "value": record.value,
    }
