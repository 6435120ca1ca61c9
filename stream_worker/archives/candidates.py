"""Avro container files of candidates, as the season simulator and `write_candidates` write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.loader import crc64_avro
from schemas.wire import frame_single_object
from stream_worker.archives.blocks import Container
from stream_worker.archives.reading import Archived, ArchiveFault, Piece
from stream_worker.candidate import Candidate
from stream_worker.codec import CANDIDATE, BadPacket, candidate_from_record
from stream_worker.codec.resolution import decoder_at


@dataclass(frozen=True, slots=True)
class CandidateFile:
    """A container file of candidates, written by any version of the schema; a piece is a block."""

    container: Container
    kind: str = "Avro container of candidates"
    notices: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.container.path

    @property
    def files(self) -> tuple[Path, ...]:
        """The file."""
        return (self.container.path,)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """A piece per block."""
        return self.container.pieces

    @property
    def faults(self) -> tuple[ArchiveFault, ...]:
        """Where the file is cut off or damaged."""
        return () if self.container.fault is None else (self.container.fault,)

    def read(self, piece: Piece) -> Iterator[Archived]:
        """Yield the records of a block.

        Raises
        ------
        ArchiveFault
            The block does not decompress, or a record ends in no known place, so that none after it is found.
        """
        content = self.container.content(piece.number)
        where = self.container.where(piece.number)
        decode_at = decoder_at(self.container.schema, CANDIDATE)
        position = 0
        for index in range(piece.count or 0):
            begin = position
            try:
                record, position = decode_at(content, position)
            except BadPacket as error:
                raise ArchiveFault(self.path, f"{where}, record {index}", str(error)) from error
            found = checked_candidate(record)
            raw = None  # wanted only of what is refused: the rest is encoded anew
            if isinstance(found, BadPacket):
                raw = frame_single_object(crc64_avro(self.container.schema), content[begin:position])
            yield Archived(piece.first + index, found, raw)
        if position != len(content):
            raise ArchiveFault(self.path, where, f"{len(content) - position} bytes follow its records")


def open_candidate_file(container: Container) -> CandidateFile:
    """Accept a scanned container as one of candidates.

    Raises
    ------
    ArchiveFault
        Its schema can't be resolved to the candidate's.
    """
    try:
        decoder_at(container.schema, CANDIDATE)
    except BadPacket as error:
        raise ArchiveFault(container.path, "header", str(error)) from error
    return CandidateFile(container)


def checked_candidate(record: Mapping[str, Any]) -> Candidate | BadPacket:
    """Return the candidate of a decoded record, or the BadPacket that says why it is none."""
    try:
        return candidate_from_record(record)
    except BadPacket as error:
        return error
