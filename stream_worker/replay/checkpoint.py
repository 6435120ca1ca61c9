"""What is done of an unfinished replay, on disk: a file per chunk, whole or not there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stream_worker.checked_zstd import compress
from stream_worker.folder_lock import only_one
from stream_worker.replay.scoring import Row

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PLAN: Final = "plan.json"
_LOCK: Final = "lock"
_LEFT: Final = ("chunk-*", "*.part")
_LEVEL: Final = 1
_SHOWN: Final = 120


class CheckpointError(Exception):
    """The checkpoint cannot be used; the message says why and what can be done."""


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """Rows of a chunk, and faults found while it was read (path, where, reason)."""

    rows: list[Row]
    faults: list[tuple[str, str, str]]
    read: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The folder of finished chunks of one replay."""

    folder: Path

    def done(self) -> set[int]:
        """Numbers of the finished chunks."""
        return {
            int(path.name.split(".")[0].removeprefix("chunk-"))
            for path in self.folder.glob("chunk-*.jsonl.zst")
        }

    def put(self, number: int, result: ChunkResult) -> None:
        """Keep a chunk; it survives a crash once this returns."""
        import orjson  # of the extra: a replay through topics does without

        head = {"faults": result.faults, "read": result.read}
        path = self._path(number)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        with part.open("wb") as file:
            file.write(compress(b"\n".join(map(orjson.dumps, (head, *result.rows))), _LEVEL))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def get(self, number: int) -> ChunkResult:
        """Return a finished chunk; raises CheckpointError."""
        import orjson

        with self._reading(number) as path:
            lines = zstd.decompress(path.read_bytes())
            head, *rows = orjson.loads(b"[%s]" % lines.replace(b"\n", b","))  # at once: quicker than by line
        return ChunkResult(rows, [tuple(fault) for fault in head["faults"]], head["read"])

    def has_faults(self, number: int) -> bool:
        """Tell whether a part of a finished chunk could not be read; raises CheckpointError."""
        import orjson

        with self._reading(number) as path, zstd.open(path) as file:
            return bool(orjson.loads(file.readline())["faults"])

    def remove(self) -> None:
        """Delete it: the plan first, so that what is left is of no replay; the lock last."""
        (self.folder / _PLAN).unlink()
        self.clear()
        (self.folder / _LOCK).unlink()
        with suppress(OSError):  # whoever begins there now has made a lock of its own
            self.folder.rmdir()

    def clear(self) -> None:
        """Delete chunks, and parts of what was being written."""
        for pattern in _LEFT:
            for path in sorted(self.folder.glob(pattern)):
                path.unlink(missing_ok=True)

    @contextmanager
    def _reading(self, number: int) -> Iterator[Path]:
        path = self._path(number)
        try:
            yield path
        except (zstd.ZstdError, EOFError, ValueError) as error:
            raise CheckpointError(
                f"{path}: damaged: {error}: remove it and go on with --resume, it is scored again"
            ) from error

    def _path(self, number: int) -> Path:
        return self.folder / f"chunk-{number:06d}.jsonl.zst"


@contextmanager
def open_checkpoint(folder: Path, pins: Mapping[str, Any], *, resume: bool) -> Iterator[Checkpoint]:
    """Begin a checkpoint, or go on with one of equal pins; nobody else may use it meanwhile.

    Raises
    ------
    CheckpointError
        There is one and ``resume`` is not set, it is of another replay, is in use, or can't be read.
    """
    plan, wanted = folder / _PLAN, json.loads(json.dumps(pins))
    if plan.exists() and not resume:
        raise CheckpointError(
            f"an unfinished replay lies in {folder}: go on with --resume, or remove that folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder / _LOCK, CheckpointError(f"another replay is at work in {folder}")):
        if plan.exists():
            _compare(_kept(plan), wanted, folder)
        else:
            Checkpoint(folder).clear()  # of a replay whose removal was interrupted
            _write_plan(plan, wanted)
        yield Checkpoint(folder)


def _write_plan(plan: Path, pins: Mapping[str, Any]) -> None:
    part = plan.with_name(f".{plan.name}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(pins, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(plan)


def _kept(plan: Path) -> Mapping[str, Any]:
    try:
        kept = json.loads(plan.read_text("utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{plan}: no plan of a replay: {error}: remove that folder") from error
    if not isinstance(kept, Mapping):
        raise CheckpointError(f"{plan}: no plan of a replay: {_short(kept)}: remove that folder")
    return kept


def _compare(kept: Mapping[str, Any], wanted: Mapping[str, Any], folder: Path) -> None:
    differing = [name for name in sorted({*kept, *wanted}) if kept.get(name) != wanted.get(name)]
    if differing:
        texts = [_difference(name, kept.get(name), wanted.get(name)) for name in differing]
        raise CheckpointError(
            f"the unfinished replay in {folder} is another one ({'; '.join(texts)}): repeat its options, or"
            " remove that folder"
        )


def _difference(name: str, there: Any, asked_for: Any) -> str:
    """Tell it in a line; of lists of named things, only of those that differ."""
    try:
        ours, theirs = ({one["name"]: one for one in pins} for pins in (there, asked_for))
        differing = [one for one in sorted({*ours, *theirs}) if ours.get(one) != theirs.get(one)]
    except (TypeError, KeyError):
        return f"{name}: {_short(there)} there, {_short(asked_for)} asked for"
    states = (
        "only there" if one not in theirs else "only asked for" if one not in ours else "has changed"
        for one in differing
    )
    return f"{name}: {', '.join(f'{one} {state}' for one, state in zip(differing, states, strict=True))}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
