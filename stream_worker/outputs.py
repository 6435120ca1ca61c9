"""Encodes what a stage writes: Avro body, framing, key and headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from schemas import Schema
from stream_worker.codec import encode
from stream_worker.kafka.records import Headers, OutputRecord, SourceRecord

SCHEMA_HEADER = "lensnet-schema"
CANDIDATE_HEADER = "candidate-id"
TENSE_HEADER = "tense"
TRACE_HEADER = "trace-id"
MAX_HEADER_TEXT = 256

Frame = Callable[[Schema, bytes], bytes]
"""Puts the framing around a body: single-object, or Confluent where a registry is configured."""


class RecordWriter(Protocol):
    """Makes the output record of what a stage has to say."""

    def write(
        self,
        topic: str,
        schema: Schema,
        record: Mapping[str, Any],
        *,
        key: str | None,
        headers: Headers = (),
    ) -> OutputRecord:
        """Output record of ``record`` under ``schema``."""


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


def inherited_headers(source: SourceRecord) -> Headers:
    """The trace of a record that could not be read, as far as its own headers tell it."""
    names = (CANDIDATE_HEADER, TENSE_HEADER, TRACE_HEADER)
    known = ((name, short_header(source, name)) for name in names)
    return tuple((name, value.encode()) for name, value in known if value is not None)


def short_header(source: SourceRecord, name: str) -> str | None:
    """A header's text, cut: whoever produced it may have put anything there, and it is passed on."""
    text = source.header(name)
    return None if text is None else text[:MAX_HEADER_TEXT]
