"""Avro container files of candidates, read and written in bounded memory.

fastavro finds and decompresses the blocks; their records are decoded and encoded by whole columns.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final, Literal

import fastavro

from schemas.container import container_block, container_header
from stream_worker.candidate import Candidate
from stream_worker.codec.candidates import CANDIDATE, candidate_from_record
from stream_worker.codec.encoding import encode_candidate
from stream_worker.codec.errors import BadPacket
from stream_worker.codec.resolution import decoder_at

Codec = Literal["zstandard", "deflate", "null"]

_MAGIC: Final = b"Obj\x01"
_ZSTD_LEVEL: Final = 3

BLOCK_BYTES: Final = 2**20
"""A block is closed when it holds this many bytes before compression."""


class BadContainer(ValueError):
    """A file that is no container of candidates; the message names file, block and record."""


def write_candidates(
    path: Path,
    candidates: Iterable[Candidate],
    *,
    codec: Codec = "zstandard",
    sync_marker: bytes = CANDIDATE.sync_marker,
    block_bytes: int = BLOCK_BYTES,
) -> int:
    """Write candidates to a container file and return how many.

    The same candidates give the same bytes: the sync marker is fixed and no time is written. The file appears
    whole or not at all; a block of ``block_bytes`` is the most that is held in memory.

    Parameters
    ----------
    sync_marker : bytes [16]
        Separates the blocks; by default derived from the schema's fingerprint.

    Raises
    ------
    ValueError
        The sync marker has not 16 bytes, or the codec is unknown.
    OSError
        The file can't be written.
    """
    compress = _compressor(codec)
    header = container_header(CANDIDATE, codec, sync_marker)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(header)
            count = _write_blocks(file, candidates, compress, sync_marker, block_bytes)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def read_candidates(path: Path, *, skip: int = 0) -> Iterator[Candidate]:
    """Yield the candidates of a container file, written by any version of the schema; one block in memory.

    Parameters
    ----------
    skip : int
        Candidates to leave out at the beginning; whole blocks of them are not decoded.

    Raises
    ------
    BadContainer
        The file is no Avro container, is cut off, or holds something that is not a valid candidate.
    OSError
        The file can't be read.
    """
    with path.open("rb") as file:
        number = 0
        for block_number, block in enumerate(_blocks(path, file)):
            if number + block.num_records <= skip:
                number += block.num_records
                continue
            for candidate in _block_candidates(block, f"{path}: block {block_number} at byte {block.offset}"):
                if number >= skip:
                    yield candidate
                number += 1


def _blocks(path: Path, file: IO[bytes]) -> Iterator[Any]:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise BadContainer(f"{path}: no Avro container file: expected it to begin with Obj 01")
    file.seek(0)
    where, number = "header", 0
    try:
        blocks = fastavro.block_reader(file)
        where = "block 0"
        for block in blocks:
            yield block
            number += 1
            where = f"block {number}"
    except OSError:
        raise
    except Exception as error:
        raise BadContainer(f"{path}: {where}: damaged or cut off: {type(error).__name__}: {error}") from error


def _block_candidates(block: Any, where: str) -> Iterator[Candidate]:
    content: bytes = block.bytes_.getvalue()
    position = 0
    for index in range(block.num_records):
        try:
            record, position = _decode(block.writer_schema, content, position)
            candidate = candidate_from_record(record)
        except BadPacket as error:
            raise BadContainer(f"{where}, record {index}: {error}") from error
        yield candidate
    if position != len(content):
        raise BadContainer(f"{where}: {len(content) - position} bytes follow its {block.num_records} records")


def _decode(writer: Mapping[str, Any], content: bytes, position: int) -> tuple[dict[str, Any], int]:
    return decoder_at(writer, CANDIDATE)(content, position)


def _write_blocks(
    file: IO[bytes],
    candidates: Iterable[Candidate],
    compress: Callable[[bytes], bytes],
    sync_marker: bytes,
    block_bytes: int,
) -> int:
    count = size = 0
    bodies: list[bytes] = []

    def close_block() -> None:
        file.write(container_block(len(bodies), compress(b"".join(bodies)), sync_marker))

    for candidate in candidates:
        bodies.append(encode_candidate(candidate))
        count += 1
        size += len(bodies[-1])
        if size >= block_bytes:
            close_block()
            bodies, size = [], 0
    if bodies:
        close_block()
    return count


def _compressor(codec: Codec) -> Callable[[bytes], bytes]:
    match codec:
        case "zstandard":
            from stream_worker.checked_zstd import compress

            return lambda content: compress(content, _ZSTD_LEVEL)
        case "deflate":
            return lambda content: zlib.compress(content, wbits=-15)
        case "null":
            return lambda content: content
    raise ValueError(f"codec {codec!r}: expected zstandard, deflate or null")
