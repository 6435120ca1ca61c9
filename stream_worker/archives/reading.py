"""What every kind of archive has in common: pieces that are read on their own, records, faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stream_worker.candidate import Candidate
from stream_worker.codec import BadPacket


class ArchiveFault(Exception):
    """A part of an archive that can't be read; what lies before and beside it can.

    ``where`` names the block, row or run, ``reason`` says what was found and expected.
    """

    def __init__(self, path: Path, where: str, reason: str) -> None:
        super().__init__(path, where, reason)
        self.path = path
        self.where = where
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.where}: {self.reason}" if self.where else f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an archive that is read on its own: a block, a row group, a star.

    ``first`` is the number of its first record within the archive; ``count`` how many it holds, None
    where only reading tells.
    """

    number: int
    first: int
    count: int | None


@dataclass(frozen=True, slots=True)
class Archived:
    """One record: its number within the archive, and the candidate, or why it is none.

    ``raw`` is the packet as the stream carried it, where the archive has it.
    """

    record: int
    content: Candidate | BadPacket
    raw: bytes | None = None


class Archive(Protocol):
    """One archive; a plain value, so that worker processes get a copy."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def kind(self) -> str:
        """What it is, in words."""

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Its readable pieces, in order."""

    @property
    def faults(self) -> tuple[ArchiveFault, ...]:
        """What opening it found unreadable."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader of the results should know of how candidates were made."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of it, for its hash."""

    def read(self, piece: Piece) -> Iterator[Archived]:
        """Yield the records of a piece, a bounded part of it in memory; raises ArchiveFault."""
