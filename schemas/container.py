"""The parts of an Avro object container file, the same bytes each time.

Avro 1.11 specification, "Object Container Files". fastavro writes such files too, but the order of keys in
its header changes from one process to the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from schemas.loader import Schema
from schemas.wire import encode_long

_MAGIC: Final = b"Obj\x01"
_SYNC_BYTES: Final = 16


def container_header(
    schema: Schema, codec: str, sync_marker: bytes, extra: Mapping[str, bytes] | None = None
) -> bytes:
    """Return the header: magic, codec, schema and ``extra`` entries, sync marker [16].

    Raises
    ------
    ValueError
        The sync marker has not 16 bytes.
    """
    if len(sync_marker) != _SYNC_BYTES:
        raise ValueError(f"sync marker has {len(sync_marker)} bytes: expected {_SYNC_BYTES}")
    definition = json.dumps(schema.definition, separators=(",", ":"), ensure_ascii=False)
    metadata = {"avro.codec": codec.encode(), "avro.schema": definition.encode(), **(extra or {})}
    counted = b"".join(_counted(name.encode()) + _counted(value) for name, value in metadata.items())
    return b"".join((_MAGIC, encode_long(len(metadata)), counted, encode_long(0), sync_marker))


def container_block(count: int, content: bytes, sync_marker: bytes) -> bytes:
    """Return a block of ``count`` records, ``content`` being their bodies after compression."""
    return b"".join((encode_long(count), _counted(content), sync_marker))


def _counted(content: bytes) -> bytes:
    return encode_long(len(content)) + content
