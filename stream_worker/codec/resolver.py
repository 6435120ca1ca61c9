"""Finds the schema that wrote a packet, by either framing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import schemas
from schemas.wire import Confluent, SingleObject, UnframedPacket, unframe
from stream_worker.codec.errors import BadPacket, Reason

MAX_PACKET_BYTES: Final = 2 * 2**20
"""A candidate of three sites and 1,500 observations each has 0.15 MB; larger ones than this are refused."""

UNKNOWN_ID_TTL_S: Final = 10.0
"""How long an id that the registry doesn't know is not asked for again."""

_MAX_REMEMBERED: Final = 1024


class UnknownSchemaId(Exception):
    """The registry is there and has no Avro schema of that id: the packet can't be read."""


class RegistryUnavailable(Exception):
    """The registry did not answer, or not as a registry does: try again, never quarantine."""


class RegistryClient(Protocol):
    """Looks schemas up in a Confluent-compatible registry."""

    def schema(self, schema_id: int) -> dict[str, Any]:
        """Return the Avro schema of an id, as parsed JSON; blocks for a request.

        Raises
        ------
        UnknownSchemaId
            The registry has no Avro schema of that id.
        RegistryUnavailable
            The question got no valid answer.
        """
        ...


class SchemaResolver:
    """Takes the framing off packets of one record type and says which schema wrote them.

    Parameters
    ----------
    name : str
        The bundled schema whose packets are expected, e.g. ``"candidate"``.
    registry : RegistryClient or None
        Where the ids of Confluent framing are looked up; without one, such packets are refused.
    max_packet_bytes : int
        Larger packets are refused, framing included.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self,
        name: str,
        registry: RegistryClient | None = None,
        *,
        max_packet_bytes: int = MAX_PACKET_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        released = [schemas.load(name, version) for version in schemas.versions(name)]
        self._fullname = released[-1].fullname
        self._bundled = {schema.fingerprint: schema.definition for schema in released}
        self._other_bundled = {
            schema.fingerprint: schema.fullname
            for other in schemas.names()
            for schema in (schemas.load(other, version) for version in schemas.versions(other))
        }
        self._registry = registry
        self._max_packet_bytes = max_packet_bytes
        self._clock = clock
        self._by_id: dict[int, Mapping[str, Any]] = {}
        self._unknown_ids: dict[int, tuple[float, str]] = {}

    def resolve(self, packet: bytes | None) -> tuple[Mapping[str, Any], memoryview]:
        """Return the writer's schema and the body of a packet.

        Blocks for a request to the registry when a packet carries an id for the first time. The same schema
        is the same object every time, which is what `decode_candidate` keeps its compiled form by.

        Raises
        ------
        BadPacket
            The packet has no value, is too large, has no framing, or its schema is unknown or of another
            record.
        RegistryUnavailable
            The registry could not be asked: try the same packet again.
        """
        if not packet:
            raise BadPacket(Reason.NO_VALUE, "the record has no value: expected a packet")
        if len(packet) > self._max_packet_bytes:
            raise BadPacket(
                Reason.OVERSIZE,
                f"the packet has {len(packet)} bytes: expected at most {self._max_packet_bytes}",
            )
        try:
            framed = unframe(packet)
        except UnframedPacket as error:
            raise BadPacket(Reason.NOT_FRAMED, str(error)) from None
        match framed:
            case SingleObject(fingerprint, body):
                return self._by_fingerprint(fingerprint), body
            case Confluent(schema_id, body):
                return self._by_registry(schema_id), body

    def _by_fingerprint(self, fingerprint: int) -> Mapping[str, Any]:
        definition = self._bundled.get(fingerprint)
        if definition is not None:
            return definition
        is_of = self._other_bundled.get(fingerprint, "no bundled schema")
        raise BadPacket(
            Reason.UNKNOWN_SCHEMA,
            f"the fingerprint {fingerprint:016x} is of {is_of}: expected a version of {self._fullname}",
        )

    def _by_registry(self, schema_id: int) -> Mapping[str, Any]:
        if self._registry is None:
            raise BadPacket(
                Reason.UNKNOWN_SCHEMA,
                f"the packet has schema id {schema_id} of a registry, and no registry is configured:"
                " expected single-object encoding",
            )
        definition = self._by_id.get(schema_id)
        if definition is None:
            definition = self._ask(self._registry, schema_id)
        fullname = _fullname(definition)
        if fullname != self._fullname:
            raise BadPacket(
                Reason.UNKNOWN_SCHEMA,
                f"schema id {schema_id} is of {fullname}: expected a version of {self._fullname}",
            )
        return definition

    def _ask(self, registry: RegistryClient, schema_id: int) -> Mapping[str, Any]:
        until, message = self._unknown_ids.get(schema_id, (-1.0, ""))
        if self._clock() < until:
            raise BadPacket(Reason.UNKNOWN_SCHEMA, message)
        try:
            definition = registry.schema(schema_id)
        except UnknownSchemaId as error:
            message = f"schema id {schema_id}: {error}"
            _remember(self._unknown_ids, schema_id, (self._clock() + UNKNOWN_ID_TTL_S, message))
            raise BadPacket(Reason.UNKNOWN_SCHEMA, message) from error
        _remember(self._by_id, schema_id, definition)
        return definition


def _remember(cache: dict[int, Any], schema_id: int, value: Any) -> None:
    """Keep a value under its id; the oldest goes when there are too many."""
    cache.pop(schema_id, None)
    if len(cache) >= _MAX_REMEMBERED:
        del cache[next(iter(cache))]
    cache[schema_id] = value


def _fullname(definition: Any) -> str:
    if not isinstance(definition, Mapping) or definition.get("type") != "record":
        return "no record"
    name = str(definition.get("name"))
    namespace = definition.get("namespace")
    return name if "." in name or not namespace else f"{namespace}.{name}"
