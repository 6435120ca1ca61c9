"""Compiles an Avro schema into a decoder: a tree of closures, one per type of the schema.

Arrays of float and double become numpy views of the packet (see `stream_worker.codec.blocks`), so that a
light curve is never decoded value by value. Logical types stay what they are on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import numpy as np
from fastavro.schema import parse_schema

from stream_worker.codec import cursor as wire
from stream_worker.codec.blocks import Reader, array_reader, map_reader, numeric_array_reader
from stream_worker.codec.cursor import Cursor, MalformedError
from stream_worker.codec.errors import BadPacket, Reason

MAX_ITEMS: Final = 65_536
"""Array and map items in one packet, arrays of float and double aside: bounds a hostile packet's memory."""

MAX_DEPTH: Final = 32
"""Records within records, and levels of a schema: bounds the recursion."""

Decoder = Callable[[bytes | memoryview], Any]
DecoderAt = Callable[[bytes | memoryview, int], tuple[Any, int]]

_ONE_BYTE: Final = 64  # indices below are written in one byte
_PRIMITIVES: Final[Mapping[str, tuple[Reader, int]]] = {
    "null": (wire.read_null, 0),
    "boolean": (wire.read_boolean, 1),
    "int": (wire.read_int, 1),
    "long": (wire.read_long, 1),
    "float": (wire.read_float, 4),
    "double": (wire.read_double, 8),
    "bytes": (wire.read_bytes, 1),
    "string": (wire.read_string, 1),
}
_NUMERIC: Final[Mapping[str, np.dtype[Any]]] = {"float": np.dtype("<f4"), "double": np.dtype("<f8")}


class InvalidSchemaError(ValueError):
    """A writer's schema that is no valid Avro schema, or nested too deep."""


def compile_decoder(writer: Any, *, max_items: int = MAX_ITEMS) -> Decoder:
    """Return a function that decodes one whole body written with the schema ``writer``.

    The function takes bytes or a memoryview and returns what fastavro would return, except that arrays of
    float and double are read-only numpy arrays [n] (float32, float64) and logical types stay raw. It raises
    `BadPacket` for any bytes that are not exactly one value.

    Raises
    ------
    InvalidSchemaError
        ``writer`` is no valid Avro schema.
    """
    return whole(compile_decoder_at(writer, max_items=max_items))


def compile_decoder_at(writer: Any, *, max_items: int = MAX_ITEMS) -> DecoderAt:
    """Return a function that decodes one value at a position, and returns it with the position after it.

    Raises
    ------
    InvalidSchemaError
        ``writer`` is no valid Avro schema.
    """
    read = _Compiler().compile(_normalised(writer), 0)[0]

    def decode_at(body: bytes | memoryview, position: int) -> tuple[Any, int]:
        cursor = Cursor(body, position, max_items)
        try:
            return read(cursor), cursor.position
        except MalformedError as error:
            _refuse(error)
        except RecursionError:
            raise BadPacket(
                Reason.MALFORMED_AVRO, f"values are nested too deep at byte {cursor.position}"
            ) from None

    return decode_at


def whole(decode_at: DecoderAt) -> Decoder:
    """Return a decoder of bodies that hold one value and nothing after it."""

    def decode(body: bytes | memoryview) -> Any:
        value, end = decode_at(body, 0)
        if end != len(body):
            raise BadPacket(
                Reason.MALFORMED_AVRO,
                f"byte {end}: {len(body) - end} bytes follow the value: expected the end",
            )
        return value

    return decode


def _refuse(error: MalformedError) -> NoReturn:
    path = "".join(part if part.startswith("[") else f".{part}" for part in reversed(error.path)).lstrip(".")
    where = f"{path} at byte {error.position}" if path else f"byte {error.position}"
    raise BadPacket(error.reason, f"{where}: {error.message}") from None


def _normalised(writer: Any) -> Any:
    """Return the schema with full names everywhere, checked by fastavro."""
    _check_depth(writer, 0)
    try:
        return parse_schema(writer)
    except Exception as error:
        raise InvalidSchemaError(f"{type(error).__name__}: {error}") from error


def _check_depth(schema: Any, depth: int) -> None:
    if depth > 4 * MAX_DEPTH:  # a level of the schema is at most four of its JSON
        raise InvalidSchemaError(f"the schema is nested more than {MAX_DEPTH} levels deep")
    if isinstance(schema, Mapping):
        for value in schema.values():
            _check_depth(value, depth + 1)
    elif isinstance(schema, list):
        for value in schema:
            _check_depth(value, depth + 1)


class _Compiler:
    """Holds the named types met so far; each method returns a reader and the fewest bytes its type takes."""

    def __init__(self) -> None:
        self._named: dict[str, tuple[Reader, int]] = dict(_PRIMITIVES)
        self._complex = {
            "record": self._record,
            "error": self._record,
            "enum": self._enum,
            "fixed": self._fixed,
            "array": self._array,
            "map": self._map,
        }

    def compile(self, schema: Any, depth: int) -> tuple[Reader, int]:
        if depth > MAX_DEPTH:
            raise InvalidSchemaError(f"the schema is nested more than {MAX_DEPTH} levels deep")
        if isinstance(schema, list):
            return self._union(schema, depth + 1)
        name = schema if isinstance(schema, str) else schema["type"]
        if name in self._complex:
            return self._complex[name](schema, depth + 1)
        return self._named[name]

    def _remember(self, name: str, read: Reader, min_size: int) -> tuple[Reader, int]:
        self._named[name] = (read, min_size)
        return read, min_size

    def _enum(self, schema: Mapping[str, Any], _depth: int) -> tuple[Reader, int]:
        return self._remember(schema["name"], _enum_reader(schema["symbols"]), 1)

    def _fixed(self, schema: Mapping[str, Any], _depth: int) -> tuple[Reader, int]:
        return self._remember(schema["name"], wire.fixed_reader(schema["size"]), schema["size"])

    def _map(self, schema: Mapping[str, Any], depth: int) -> tuple[Reader, int]:
        return map_reader(*self.compile(schema["values"], depth)), 1

    def _array(self, schema: Mapping[str, Any], depth: int) -> tuple[Reader, int]:
        items = schema["items"]
        name = items["type"] if isinstance(items, dict) else items
        if isinstance(name, str) and name in _NUMERIC:
            return numeric_array_reader(_NUMERIC[name]), 1
        return array_reader(*self.compile(items, depth)), 1

    def _union(self, branches: list[Any], depth: int) -> tuple[Reader, int]:
        if not branches:
            raise InvalidSchemaError("a union has no branches")
        compiled = [self.compile(branch, depth) for branch in branches]
        return _union_reader([read for read, _ in compiled]), 1 + min(size for _, size in compiled)

    def _record(self, schema: Mapping[str, Any], depth: int) -> tuple[Reader, int]:
        fields: list[tuple[str, Reader]] = []
        read = _record_reader(fields)
        self._named[schema["name"]] = (read, 0)  # a type may contain itself; its size is then not known
        min_size = 0
        for field in schema["fields"]:
            read_field, size = self.compile(field["type"], depth)
            fields.append((field["name"], read_field))
            min_size += size
        return self._remember(schema["name"], read, min_size)


def _record_reader(fields: list[tuple[str, Reader]]) -> Reader:
    def read_record(cursor: Cursor) -> dict[str, Any]:
        if cursor.depth == MAX_DEPTH:
            raise MalformedError(
                Reason.MALFORMED_AVRO,
                cursor.position,
                f"records are nested deeper than {MAX_DEPTH}: expected at most {MAX_DEPTH}",
            )
        cursor.depth += 1
        values: dict[str, Any] = {}
        name = ""
        try:
            for name, read in fields:
                values[name] = read(cursor)
        except MalformedError as error:
            error.path.append(name)
            raise
        cursor.depth -= 1
        return values

    return read_record


def _enum_reader(symbols: list[str]) -> Reader:
    def read_enum(cursor: Cursor) -> str:
        position = cursor.position
        index = wire.read_int(cursor)
        if not 0 <= index < len(symbols):
            raise MalformedError(
                Reason.MALFORMED_AVRO, position, f"enum index {index}: expected 0 to {len(symbols) - 1}"
            )
        return symbols[index]

    return read_enum


def _union_reader(branches: list[Reader]) -> Reader:
    choices = {2 * index: read for index, read in enumerate(branches[:_ONE_BYTE])}

    def read_union(cursor: Cursor) -> Any:
        position = cursor.position
        if position < cursor.end and (read := choices.get(cursor.buffer[position])) is not None:
            cursor.position = position + 1
            return read(cursor)
        index = wire.read_long(cursor)
        if not 0 <= index < len(branches):
            raise MalformedError(
                Reason.MALFORMED_AVRO, position, f"union branch {index}: expected 0 to {len(branches) - 1}"
            )
        return branches[index](cursor)

    return read_union
