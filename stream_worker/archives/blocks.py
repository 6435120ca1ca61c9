"""Blocks of an Avro object container file, found by seeking and read on their own.

Avro 1.11 specification, "Object Container Files". A scan reads the header and the two numbers before each
block, so that a season's file is known in milliseconds and its blocks can be read in any process.
"""

from __future__ import annotations

import bz2
import json
import lzma
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from stream_worker.archives.reading import ArchiveFault, Piece

_MAGIC: Final = b"Obj\x01"
_SYNC_BYTES: Final = 16
_MAX_HEADER: Final = 16 * 2**20
_MAX_VARINT: Final = 10
MAX_BLOCK_BYTES: Final = 256 * 2**20
"""Largest block after decompression; writers close theirs at 16 kB to some MB."""


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block's compressed content lies: ``offset`` and ``size`` in bytes, ``count`` records."""

    offset: int
    size: int
    count: int


@dataclass(frozen=True, slots=True)
class Container:
    """A scanned container file.

    ``fault`` says where the scan had to stop; the blocks before can be read.
    """

    path: Path
    schema: Mapping[str, Any]
    metadata: Mapping[str, bytes]
    codec: str
    blocks: tuple[Block, ...]
    fault: ArchiveFault | None

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """A piece per block."""
        pieces, first = [], 0
        for number, block in enumerate(self.blocks):
            pieces.append(Piece(number, first, block.count))
            first += block.count
        return tuple(pieces)

    def where(self, number: int) -> str:
        """Name a block in a message."""
        return f"block {number} at byte {self.blocks[number].offset}"

    def content(self, number: int) -> bytes:
        """Read and decompress one block.

        Raises
        ------
        ArchiveFault
            The content is not what the codec writes, or far too large.
        OSError
            The file can't be read.
        """
        block = self.blocks[number]
        with self.path.open("rb") as file:
            file.seek(block.offset)
            compressed = file.read(block.size)
        if len(compressed) != block.size:
            raise ArchiveFault(self.path, self.where(number), "the file has become shorter")
        try:
            content = _CODECS[self.codec](compressed)
        except ArchiveFault:
            raise
        except Exception as error:
            raise ArchiveFault(
                self.path, self.where(number), f"does not decompress as {self.codec}: {error}"
            ) from error
        if content is None:
            raise ArchiveFault(
                self.path,
                self.where(number),
                f"does not decompress as {self.codec}, or to more than {MAX_BLOCK_BYTES} bytes",
            )
        return content


def scan_container(path: Path) -> Container:
    """Read a container's header and find its blocks.

    Raises
    ------
    ArchiveFault
        It is no Avro container, or its codec isn't one that can be read here.
    OSError
        The file can't be read.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ArchiveFault(path, "", "no Avro container file: expected it to begin with Obj 01")
        try:
            metadata = _read_metadata(file, min(size, _MAX_HEADER))
            sync = _exactly(file, _SYNC_BYTES)
        except _Short as error:
            raise ArchiveFault(path, "header", str(error)) from None
        schema, codec = (
            _schema(path, metadata),
            metadata.get("avro.codec", b"null").decode("ascii", "replace"),
        )
        if codec not in _CODECS:
            raise ArchiveFault(
                path, "header", f"codec {codec!r}: expected one of {', '.join(sorted(_CODECS))}"
            )
        blocks, fault = _scan_blocks(path, file, size, sync)
    return Container(path, schema, metadata, codec, tuple(blocks), fault)


class _Short(Exception):
    """The bytes end too early, or are no number."""


def _exactly(file: IO[bytes], n: int) -> bytes:
    found = file.read(n)
    if len(found) != n:
        raise _Short(f"cut off: {n} bytes are wanted, {len(found)} are left")
    return found


def _read_long(file: IO[bytes]) -> int:
    value = 0
    for place in range(_MAX_VARINT):
        byte = _exactly(file, 1)[0]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)
    raise _Short(f"no Avro number: more than {_MAX_VARINT} bytes")


def _read_metadata(file: IO[bytes], limit: int) -> dict[str, bytes]:
    metadata: dict[str, bytes] = {}

    def counted() -> bytes:
        n = _read_long(file)
        if not 0 <= n <= limit:
            raise _Short(f"an entry of {n} bytes: expected 0 to {limit}")
        return _exactly(file, n)

    while count := _read_long(file):
        if count < 0:
            _read_long(file)  # the block's size in bytes
        for _ in range(abs(count)):
            name = counted().decode("utf-8", "replace")
            metadata[name] = counted()
            if len(metadata) > limit:
                raise _Short("too many entries")
    return metadata


def _schema(path: Path, metadata: Mapping[str, bytes]) -> Mapping[str, Any]:
    try:
        schema = json.loads(metadata["avro.schema"])
    except KeyError:
        raise ArchiveFault(path, "header", "has no avro.schema") from None
    except (ValueError, RecursionError) as error:
        raise ArchiveFault(path, "header", f"avro.schema is no JSON: {error}") from None
    if not isinstance(schema, dict):
        raise ArchiveFault(path, "header", f"avro.schema is {schema!r}: expected a record")
    return schema


def _scan_blocks(
    path: Path, file: IO[bytes], size: int, sync: bytes
) -> tuple[list[Block], ArchiveFault | None]:
    blocks: list[Block] = []
    while (begin := file.tell()) < size:
        where = f"block {len(blocks)} at byte {begin}"
        try:
            blocks.append(_next_block(file, size, sync))
        except _Short as error:
            return blocks, ArchiveFault(path, where, str(error))
    return blocks, None


def _next_block(file: IO[bytes], size: int, sync: bytes) -> Block:
    count, length = _read_long(file), _read_long(file)
    if count < 0 or length < 0:
        raise _Short(f"declares {count} records in {length} bytes")
    offset = file.tell()
    left = size - offset
    if length + _SYNC_BYTES > left:
        raise _Short(f"cut off: it needs {length + _SYNC_BYTES} bytes for {count} records, {left} are left")
    file.seek(offset + length)
    found = _exactly(file, _SYNC_BYTES)
    if found != sync:
        raise _Short(f"ends with {found.hex()}: expected the file's sync marker {sync.hex()}")
    return Block(offset, length, count)


def _zstandard(content: bytes) -> bytes | None:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return _bounded(zstd.ZstdDecompressor(), content)


def _deflate(content: bytes) -> bytes | None:
    decompressor = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    found = decompressor.decompress(content, MAX_BLOCK_BYTES)
    return found if decompressor.eof else None


def _bounded(decompressor: Any, content: bytes) -> bytes | None:
    found: bytes = decompressor.decompress(content, max_length=MAX_BLOCK_BYTES)
    return found if decompressor.eof else None


_CODECS: Final[Mapping[str, Callable[[bytes], bytes | None]]] = {
    "null": lambda content: content,
    "deflate": _deflate,
    "zstandard": _zstandard,
    "bzip2": lambda content: _bounded(bz2.BZ2Decompressor(), content),
    "xz": lambda content: _bounded(lzma.LZMADecompressor(), content),
}
