"""Turns a record as its writer wrote it into the record that a reader expects.

Avro 1.11 specification, "Schema Resolution": fields are matched by name, what only the writer has is
dropped, what only the reader has gets the reader's default, numbers are promoted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from fastavro.schema import parse_schema

from schemas import Schema
from schemas.compatibility import incompatibilities
from schemas.loader import crc64_avro
from stream_worker.codec.decoder import DecoderAt, InvalidSchemaError, compile_decoder_at, whole
from stream_worker.codec.errors import BadPacket, Reason

Resolve = Callable[[Any], Any]

_COMPILED: Final = 64
_NUMERIC: Final[Mapping[str, Any]] = {"float": np.float32, "double": np.float64}


def decode(body: bytes | memoryview, writer: Mapping[str, Any], reader: Schema) -> dict[str, Any]:
    """Decode one body by the schema that wrote it and resolve it to the reader's.

    Parameters
    ----------
    body : bytes or memoryview
        The packet without its framing.
    writer : mapping
        The writer's schema. It must not change afterwards: what is compiled from it is kept by its identity.
    reader : Schema
        The released version that the caller understands.

    Returns
    -------
    dict
        The record with the reader's fields; arrays of float and double as read-only float32 and float64 [n],
        logical types raw (uuid as str, timestamp-millis as int).

    Raises
    ------
    BadPacket
        The bytes are not exactly one record of ``writer``, or ``writer`` can't be resolved to ``reader``.
    """
    record: dict[str, Any] = whole(decoder_at(writer, reader))(body)
    return record


def decoder_at(writer: Mapping[str, Any], reader: Schema) -> DecoderAt:
    """Return a decoder of records that follow one another in a buffer, resolved as by `decode`.

    Raises
    ------
    BadPacket
        ``writer`` is no valid schema, or can't be resolved to ``reader``.
    """
    return _compiled(_ByIdentity(writer), reader)


class _ByIdentity:
    """Makes a schema a cache key by its identity, and keeps it alive so that no other takes its id."""

    __slots__ = ("definition",)

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.definition = definition

    def __hash__(self) -> int:
        return id(self.definition)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.definition is self.definition


@lru_cache(maxsize=_COMPILED)
def _compiled(writer: _ByIdentity, reader: Schema) -> DecoderAt:
    try:
        decode_at = compile_decoder_at(writer.definition)
    except InvalidSchemaError as error:
        raise BadPacket(Reason.UNKNOWN_SCHEMA, f"the writer's schema is not valid Avro: {error}") from error
    faults = incompatibilities(reader.definition, writer.definition)
    if faults:
        raise BadPacket(
            Reason.INCOMPATIBLE_SCHEMA,
            f"the writer's schema can't be resolved to {reader.name} {reader.version}: {'; '.join(faults)}",
        )
    if crc64_avro(writer.definition) == reader.fingerprint:
        return decode_at
    resolve = _Resolver(reader.definition).resolve

    def decode_and_resolve_at(body: bytes | memoryview, position: int) -> tuple[Any, int]:
        value, end = decode_at(body, position)
        return resolve(value), end

    return decode_and_resolve_at


class _Resolver:
    """Compiles a reader's schema; writers that are not compatible with it have been refused before."""

    def __init__(self, reader: Mapping[str, Any]) -> None:
        self._named: dict[str, Resolve] = {
            "null": _as_written,
            "boolean": _as_written,
            "int": _as_written,
            "long": _as_written,
            "float": float,
            "double": float,
            "bytes": _bytes,
            "string": _text,
        }
        self._complex = {
            "record": self._record,
            "enum": self._enum,
            "fixed": self._fixed,
            "array": self._array,
            "map": self._map,
        }
        self.resolve = self._compile(parse_schema(dict(reader)))

    def _compile(self, schema: Any) -> Resolve:
        if isinstance(schema, list):
            return self._nullable(schema)
        name = schema if isinstance(schema, str) else schema["type"]
        return self._complex[name](schema) if name in self._complex else self._named[name]

    def _nullable(self, branches: list[Any]) -> Resolve:
        others = [self._compile(branch) for branch in branches if branch != "null"]
        if len(others) != 1:
            raise NotImplementedError(f"union {branches}: a released schema has null and one other type")
        (resolve,) = others
        return lambda value: None if value is None else resolve(value)

    def _record(self, schema: Mapping[str, Any]) -> Resolve:
        fields: list[tuple[str, Resolve, Any]] = []

        def resolve_record(values: Mapping[str, Any]) -> dict[str, Any]:
            return {name: resolve(values.get(name, default)) for name, resolve, default in fields}

        self._named[schema["name"]] = resolve_record
        fields.extend(
            (field["name"], self._compile(field["type"]), field.get("default")) for field in schema["fields"]
        )
        return resolve_record

    def _enum(self, schema: Mapping[str, Any]) -> Resolve:
        symbols, default = frozenset(schema["symbols"]), schema.get("default")
        resolve = self._named[schema["name"]] = lambda symbol: symbol if symbol in symbols else default
        return resolve

    def _fixed(self, schema: Mapping[str, Any]) -> Resolve:
        self._named[schema["name"]] = _bytes
        return _bytes

    def _array(self, schema: Mapping[str, Any]) -> Resolve:
        items = schema["items"]
        if isinstance(items, str) and items in _NUMERIC:
            dtype = _NUMERIC[items]
            return lambda values: np.asarray(values, dtype)
        resolve = self._compile(items)
        return lambda values: [resolve(value) for value in values]

    def _map(self, schema: Mapping[str, Any]) -> Resolve:
        resolve = self._compile(schema["values"])
        return lambda values: {key: resolve(value) for key, value in values.items()}


def _as_written(value: Any) -> Any:
    return value


def _text(value: str | bytes) -> str:
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise BadPacket(Reason.MALFORMED_AVRO, f"bytes read as string: {error}: expected UTF-8") from error


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value
