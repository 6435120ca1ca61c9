"""What is done of an unfinished season, on disk, so that it can go on where it was interrupted."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_build.season.detections import DETECTION_ROW, DetectionRows
from model_build.season.eventfinder import EventClass
from model_build.season.review import Stage1
from model_build.season.workers import Chunk, Workers

JOURNAL_FILE: Final = ".unfinished.sqlite"


class OtherPlan(ValueError):
    """The unfinished season in the folder is another one."""


class Journal:
    """Results of finished chunks of work, by what was asked; of one plan only.

    Floats come back bit by bit (JSON with shortest exact decimals).
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, key: str) -> bytes | None:
        """Return the result kept under ``key``, None if there is none."""
        row = self._connection.execute("SELECT result FROM results WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: str, result: bytes) -> None:
        """Keep a result; it survives a crash once this returns."""
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO results VALUES (?, ?)", (key, result))


@contextmanager
def open_journal(directory: Path, plan: Mapping[str, Any]) -> Iterator[Journal]:
    """Open the journal of ``directory``, or begin one for ``plan`` (a JSON-ready description of the season).

    Raises
    ------
    OtherPlan
        If the journal there is of another plan; the message names the values that differ.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(directory / JOURNAL_FILE)) as connection:
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        with connection:
            connection.execute("CREATE TABLE IF NOT EXISTS plan (text TEXT)")
            connection.execute("CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, result BLOB)")
            found = connection.execute("SELECT text FROM plan").fetchone()
            if found is None:
                connection.execute("INSERT INTO plan VALUES (?)", (json.dumps(plan, sort_keys=True),))
        if found is not None and (differing := differences(json.loads(found[0]), plan)):
            raise OtherPlan(f"{directory} holds another unfinished season: {'; '.join(differing)}")
        yield Journal(connection)


def end_journal(directory: Path) -> None:
    """Delete the journal of a season that is finished."""
    for path in directory.glob(f"{JOURNAL_FILE}*"):
        path.unlink()


class Journalled:
    """`Workers` that ask a journal first, and others only for what is not in it."""

    def __init__(self, workers: Workers, journal: Journal) -> None:
        self._workers = workers
        self._journal = journal

    def map(self, method: str, chunks: Iterable[Chunk]) -> Iterator[Any]:
        """Results chunk by chunk, in order; candidate packets are too large to be kept."""
        chunks = list(chunks)
        if method not in _FORMATS:
            yield from self._workers.map(method, chunks)
            return
        written, read = _FORMATS[method]
        keys = [_key(method, chunk) for chunk in chunks]
        kept = [self._journal.get(key) for key in keys]
        missing = [chunk for chunk, result in zip(chunks, kept, strict=True) if result is None]
        fresh = self._workers.map(method, missing)
        for key, result in zip(keys, kept, strict=True):
            if result is not None:
                yield read(result)
                continue
            found = next(fresh)
            self._journal.put(key, written(found))
            yield found


def _key(method: str, chunk: Chunk) -> str:
    text = json.dumps([method, chunk], default=asdict, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """Say which values of two plans differ, by their dotted paths."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = sorted({*old, *new})
        return [
            fault
            for name in names
            for fault in differences(old.get(name), new.get(name), f"{where}.{name}".lstrip("."))
        ]
    return [] if old == new else [f"{where} {old!r}, now {new!r}"]


def _rows(stored: bytes) -> DetectionRows:
    return np.frombuffer(stored, dtype=DETECTION_ROW)


def _written(found: Mapping[int, Any]) -> bytes:
    return json.dumps(found, default=asdict).encode()


def _verdicts(stored: bytes) -> dict[int, Stage1]:
    return {int(number): Stage1(**value) for number, value in json.loads(stored).items()}


def _classes(stored: bytes) -> dict[int, EventClass | None]:
    found = json.loads(stored)
    return {int(number): None if value is None else EventClass(value) for number, value in found.items()}


_FORMATS: Final[Mapping[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]]] = {
    "detect": (np.ndarray.tobytes, _rows),
    "review": (_written, _verdicts),
    "check": (_written, _classes),
}
