"""Reads Avro's primitive types off a buffer, strictly (Avro 1.11 specification, "Binary Encoding").

Each reader takes a cursor, moves it past the value and returns the value, or raises `MalformedError`.
Lengths are compared with the bytes that remain before anything is allocated.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from stream_worker.codec.errors import Reason

LONGEST_DECLARED: Final = 16 * 2**20
"""Bytes; a longer declared length can't be a truncated packet, since no topic takes one."""

_INT_BYTES: Final = 5
_LONG_BYTES: Final = 10
_FLOAT = struct.Struct("<f")
_DOUBLE = struct.Struct("<d")


class MalformedError(Exception):
    """Bytes that break the encoding; collects the field path on its way up."""

    def __init__(self, reason: Reason, position: int, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.position = position
        self.message = message
        self.path: list[str] = []


class Cursor:
    """A position in a buffer, with what one packet may still spend.

    Parameters
    ----------
    buffer : bytes or memoryview of bytes
        The packet's body; numeric arrays become views of it.
    position : int
        Where the value begins.
    items_left : int
        Array and map items that the packet may still hold, arrays of float and double aside.
    """

    __slots__ = ("buffer", "depth", "end", "items_left", "position")

    def __init__(self, buffer: bytes | memoryview, position: int, items_left: int) -> None:
        self.buffer = buffer
        self.position = position
        self.end = len(buffer)
        self.items_left = items_left
        self.depth = 0


def read_long(cursor: Cursor) -> int:
    """Read a zigzag varint of at most ten bytes and 64 bits."""
    position, buffer = cursor.position, cursor.buffer
    if position + 1 < cursor.end:  # most lengths and branches take a byte, most counts two
        if (value := buffer[position]) < 0x80:
            cursor.position = position + 1
            return (value >> 1) ^ -(value & 1)
        if (byte := buffer[position + 1]) < 0x80:
            cursor.position = position + 2
            value += (byte - 1) << 7
            return (value >> 1) ^ -(value & 1)
    return _varint(cursor, _LONG_BYTES, 64)


def read_int(cursor: Cursor) -> int:
    """Read a zigzag varint of at most five bytes and 32 bits."""
    return _varint(cursor, _INT_BYTES, 32)


def _varint(cursor: Cursor, longest: int, bits: int) -> int:
    buffer = cursor.buffer
    start = position = cursor.position
    value = shift = 0
    try:
        while True:
            byte = buffer[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if position - start == longest:
                raise MalformedError(
                    Reason.MALFORMED_AVRO,
                    start,
                    f"variable-length integer goes on after {longest} bytes:"
                    f" expected at most {longest} for {bits} bits",
                )
    except IndexError:
        raise MalformedError(
            Reason.TRUNCATED,
            position,
            "the bytes end inside a variable-length integer: expected another byte",
        ) from None
    if value >> bits:
        raise MalformedError(
            Reason.MALFORMED_AVRO, start, f"variable-length integer {value}: expected at most {bits} bits"
        )
    cursor.position = position
    return (value >> 1) ^ -(value & 1)


def read_null(_cursor: Cursor) -> None:
    """Read nothing."""


def read_boolean(cursor: Cursor) -> bool:
    """Read one byte, 0 or 1."""
    position = cursor.position
    advance(cursor, 1, "boolean")
    byte = cursor.buffer[position]
    if byte > 1:
        raise MalformedError(Reason.MALFORMED_AVRO, position, f"boolean is byte {byte}: expected 0 or 1")
    return byte == 1


def read_float(cursor: Cursor) -> float:
    """Read four little-endian bytes."""
    position = cursor.position
    advance(cursor, 4, "float")
    (value,) = _FLOAT.unpack_from(cursor.buffer, position)
    return float(value)


def read_double(cursor: Cursor) -> float:
    """Read eight little-endian bytes."""
    position = cursor.position
    advance(cursor, 8, "double")
    (value,) = _DOUBLE.unpack_from(cursor.buffer, position)
    return float(value)


def read_bytes(cursor: Cursor) -> bytes:
    """Read a length and as many bytes."""
    return bytes(_counted(cursor, "bytes"))


def read_string(cursor: Cursor) -> str:
    """Read a length and as many bytes of UTF-8."""
    content = _counted(cursor, "string")
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError as error:
        at = cursor.position - len(content) + error.start
        raise MalformedError(
            Reason.MALFORMED_AVRO, at, f"string holds byte 0x{content[error.start]:02x}: expected UTF-8"
        ) from None


def fixed_reader(size: int) -> Callable[[Cursor], bytes]:
    """Return a reader of ``size`` bytes."""

    def read_fixed(cursor: Cursor) -> bytes:
        position = cursor.position
        advance(cursor, size, "fixed")
        return bytes(cursor.buffer[position : cursor.position])

    return read_fixed


def advance(cursor: Cursor, size: int, what: str) -> None:
    """Move the cursor past ``size`` bytes, or say that they are not there."""
    position = cursor.position
    if size > cursor.end - position:
        require(cursor, size, what)
    cursor.position = position + size


def require(cursor: Cursor, size: int, what: str) -> None:
    """Raise unless ``size`` more bytes remain."""
    remaining = cursor.end - cursor.position
    if size > LONGEST_DECLARED:
        raise MalformedError(
            Reason.DECLARED_TOO_LONG,
            cursor.position,
            f"{what} declares {size} bytes or more: expected at most {min(remaining, LONGEST_DECLARED)}",
        )
    if size > remaining:
        raise MalformedError(
            Reason.TRUNCATED, cursor.position, f"{what} needs {size} bytes: {remaining} remain"
        )


def _counted(cursor: Cursor, what: str) -> bytes | memoryview:
    start = cursor.position
    length = read_long(cursor)
    if length < 0:
        raise MalformedError(
            Reason.MALFORMED_AVRO, start, f"{what} has length {length}: expected zero or more"
        )
    begin = cursor.position
    advance(cursor, length, what)
    return cursor.buffer[begin : cursor.position]
