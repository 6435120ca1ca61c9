"""Encodes what a stage writes: Avro body, framing, key and headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from schemas import Schema
from stream_worker.codec import encode
from stream_worker.kafka.records import Headers, OutputRecord

SCHEMA_HEADER = "lensnet-schema"
CANDIDATE_HEADER = "candidate-id"
TENSE_HEADER = "tense"
TRACE_HEADER = "trace-id"

Frame = Callable[[Schema, bytes], bytes]
"""Puts the framing around a body: single-object, or Confluent where a registry is configured."""


@dataclass(frozen=True, slots=True)
class OutputWriter:
    """Encodes records of one worker."""

    frame: Frame

    def write(
        self,
        topic: str,
        schema: Schema,
        record: Mapping[str, Any],
        *,
        key: str | None,
        headers: Headers = (),
    ) -> OutputRecord:
        """Output record with the schema's name and version in its headers."""
        return OutputRecord(
            topic=topic,
            key=None if key is None else key.encode(),
            value=self.frame(schema, encode(schema, record)),
            headers=(*headers, (SCHEMA_HEADER, f"{schema.name}/{schema.version}".encode())),
        )


def trace_headers(candidate_id: str, tense: str, trace_id: str | None) -> Headers:
    """Headers that follow a candidate through the topics; the trace starts with its id."""
    return (
        (CANDIDATE_HEADER, candidate_id.encode()),
        (TENSE_HEADER, tense.encode()),
        (TRACE_HEADER, (trace_id or candidate_id).encode()),
    )
