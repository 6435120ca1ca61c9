"""Dumps of the candidates topic, as ``stream-worker archive`` writes them: raw packets with their offsets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import schemas
from stream_worker.archives.blocks import Container
from stream_worker.archives.reading import Archived, ArchiveFault, Piece
from stream_worker.candidate import Candidate
from stream_worker.codec import MAX_PACKET_BYTES, BadPacket, SchemaResolver, UnknownSchemaId, decode_candidate
from stream_worker.codec.resolution import decoder_at

ARCHIVED: Final = schemas.load("archived", 1)
DUMP_FULLNAME: Final = ARCHIVED.fullname
SCHEMAS_KEY: Final = "lensnet.schemas"
"""Entry of the file's header: registry ids and the schemas they stand for, as JSON."""


@dataclass(frozen=True, slots=True)
class DumpFile:
    """A dump of one day; a piece is a block.

    ``registry`` holds the schemas of packets with Confluent framing by their ids, so that no registry is
    needed to read them. A larger packet than ``max_packet_bytes`` is refused, as in the stream.
    """

    container: Container
    registry: Mapping[int, Mapping[str, Any]]
    max_packet_bytes: int = MAX_PACKET_BYTES
    kind: str = "dump of the candidates topic"
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
        """Yield the records of a block, each decoded as the stream would; raises ArchiveFault."""
        resolver = SchemaResolver(
            "candidate", _Recorded(self.registry), max_packet_bytes=self.max_packet_bytes
        )
        for index, record in enumerate(self.records(piece)):
            yield Archived(piece.first + index, _decoded(resolver, record["value"]), bytes(record["value"]))

    def records(self, piece: Piece) -> Iterator[dict[str, Any]]:
        """Yield the records of a block as they were dumped (schema archived 1).

        Raises
        ------
        ArchiveFault
            The block does not decompress, or a record ends in no known place.
        """
        content = self.container.content(piece.number)
        where = self.container.where(piece.number)
        decode_at = decoder_at(self.container.schema, ARCHIVED)
        position = 0
        for index in range(piece.count or 0):
            try:
                record, position = decode_at(content, position)
            except BadPacket as error:
                raise ArchiveFault(self.path, f"{where}, record {index}", str(error)) from error
            yield record
        if position != len(content):
            raise ArchiveFault(self.path, where, f"{len(content) - position} bytes follow its records")


def open_dump(container: Container, max_packet_bytes: int = MAX_PACKET_BYTES) -> DumpFile:
    """Accept a scanned container as a dump.

    Raises
    ------
    ArchiveFault
        Its schema or the recorded registry can't be read.
    """
    try:
        decoder_at(container.schema, ARCHIVED)
        recorded = json.loads(container.metadata.get(SCHEMAS_KEY, b"{}"))
        registry = {int(schema_id): schema for schema_id, schema in recorded.items()}
    except (BadPacket, ValueError, AttributeError) as error:
        raise ArchiveFault(container.path, "header", str(error)) from error
    return DumpFile(container, registry, max_packet_bytes)


def _decoded(resolver: SchemaResolver, packet: bytes) -> Candidate | BadPacket:
    try:
        writer, body = resolver.resolve(packet)
        return decode_candidate(body, writer)
    except BadPacket as error:
        return error


class _Recorded:
    """The registry as it was when the dump was taken."""

    def __init__(self, registry: Mapping[int, Mapping[str, Any]]) -> None:
        self._registry = registry

    def schema(self, schema_id: int) -> dict[str, Any]:
        """Return the schema of an id; raises UnknownSchemaId."""
        if schema_id not in self._registry:
            raise UnknownSchemaId("the dump's header does not hold it")
        return dict(self._registry[schema_id])
