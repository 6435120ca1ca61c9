"""Framing of what the worker writes: single-object encoding, or a registry's ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from schemas import Schema
from schemas.wire import frame_confluent, frame_single_object
from stream_worker.outputs import Frame


class SchemaRegistrar(Protocol):
    """Registers schemas; ``stream_worker.codec.registry`` has the real one."""

    def register(self, subject: str, definition: Mapping[str, object]) -> int:
        """Id of the schema under ``subject``; blocks for a request, raises RegistryUnavailable."""


def single_object(schema: Schema, body: bytes) -> bytes:
    """Frame a body with its schema's fingerprint."""
    return frame_single_object(schema.fingerprint, body)


def confluent(registrar: SchemaRegistrar, topics: Mapping[str, Schema]) -> Frame:
    """Register each topic's schema as ``<topic>-value`` and frame bodies with the ids.

    Raises
    ------
    RegistryUnavailable, RegistrationRefusedError
        The registry didn't answer, or refused a schema.
    """
    ids = {
        (schema.name, schema.version): registrar.register(f"{topic}-value", schema.definition)
        for topic, schema in topics.items()
    }

    def frame(schema: Schema, body: bytes) -> bytes:
        return frame_confluent(ids[schema.name, schema.version], body)

    return frame
