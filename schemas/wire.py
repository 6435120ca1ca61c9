"""The two framings that say which schema wrote a packet, and Avro's varint: pure functions over bytes.

Single-object encoding (Avro 1.11 specification, "Single-object encoding"): the marker C3 01, the
CRC-64-AVRO fingerprint as eight little-endian bytes, the body. Confluent framing (Confluent Schema Registry,
"Wire format"): magic byte 0, the schema id as four big-endian bytes, the body.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

SINGLE_OBJECT_MARKER: Final = b"\xc3\x01"
CONFLUENT_MAGIC: Final = b"\x00"
MAX_SCHEMA_ID: Final = 2**31 - 1
"""Registries count in Java's int; a packet's four bytes can say more."""

_FINGERPRINT = struct.Struct("<Q")
_SCHEMA_ID = struct.Struct(">I")
_SINGLE_OBJECT_HEADER: Final = len(SINGLE_OBJECT_MARKER) + _FINGERPRINT.size
_CONFLUENT_HEADER: Final = len(CONFLUENT_MAGIC) + _SCHEMA_ID.size
_SHOWN: Final = 10


class UnframedPacket(ValueError):
    """The packet carries neither framing; the message shows its first bytes."""


@dataclass(frozen=True, slots=True)
class SingleObject:
    """A packet in single-object encoding; ``body`` is a view of the packet, not a copy."""

    fingerprint: int
    body: memoryview


@dataclass(frozen=True, slots=True)
class Confluent:
    """A packet in Confluent framing; ``body`` is a view of the packet, not a copy.

    ``schema_id`` is what its four bytes say, also where that is above `MAX_SCHEMA_ID`.
    """

    schema_id: int
    body: memoryview


def frame_single_object(fingerprint: int, body: bytes) -> bytes:
    """Put the single-object header before an Avro body.

    Raises
    ------
    ValueError
        The fingerprint is not an unsigned 64-bit integer.
    """
    if not 0 <= fingerprint < 2**64:
        raise ValueError(f"fingerprint {fingerprint}: expected an unsigned 64-bit integer")
    return b"".join((SINGLE_OBJECT_MARKER, _FINGERPRINT.pack(fingerprint), body))


def frame_confluent(schema_id: int, body: bytes) -> bytes:
    """Put the Confluent header before an Avro body.

    Raises
    ------
    ValueError
        The schema id is negative or above `MAX_SCHEMA_ID`.
    """
    if not 0 <= schema_id <= MAX_SCHEMA_ID:
        raise ValueError(f"schema id {schema_id}: expected 0 to {MAX_SCHEMA_ID}")
    return b"".join((CONFLUENT_MAGIC, _SCHEMA_ID.pack(schema_id), body))


def unframe(packet: bytes | memoryview) -> SingleObject | Confluent:
    """Take the header off a packet.

    Raises
    ------
    UnframedPacket
        The packet begins with neither header, or ends inside one.
    """
    view = memoryview(packet)
    start = bytes(view[: len(SINGLE_OBJECT_MARKER)])
    if start == SINGLE_OBJECT_MARKER and len(view) >= _SINGLE_OBJECT_HEADER:
        (fingerprint,) = _FINGERPRINT.unpack_from(view, len(SINGLE_OBJECT_MARKER))
        return SingleObject(fingerprint, view[_SINGLE_OBJECT_HEADER:])
    if start.startswith(CONFLUENT_MAGIC) and len(view) >= _CONFLUENT_HEADER:
        (schema_id,) = _SCHEMA_ID.unpack_from(view, len(CONFLUENT_MAGIC))
        return Confluent(schema_id, view[_CONFLUENT_HEADER:])
    shown = bytes(view[:_SHOWN]).hex(" ") or "nothing"
    raise UnframedPacket(
        f"packet of {len(view)} bytes begins with {shown}: expected C3 01 and an 8-byte fingerprint"
        " (single-object encoding), or 00 and a 4-byte schema id (Confluent framing)"
    )


def encode_long(value: int) -> bytes:
    """Encode an int or long as a zigzag varint (Avro 1.11 specification, "Primitive Types").

    Raises
    ------
    ValueError
        The value has more than 64 bits.
    """
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{value}: expected a signed 64-bit integer")
    rest = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)
