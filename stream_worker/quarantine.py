"""Quarantine: a record that cannot be processed is kept with its raw bytes and the reason."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import schemas
from stream_worker.kafka.records import OutputRecord, SourceRecord
from stream_worker.outputs import CANDIDATE_HEADER, RecordWriter, inherited_headers, short_header

QUARANTINE_SCHEMA = schemas.load("quarantine", 1)
MAX_HEADER_BYTES = 16 * 2**10
MAX_KEY_BYTES = 4 * 2**10
MAX_MESSAGE_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Builds quarantine records.

    Parameters
    ----------
    raw_limit
        Raw bytes kept. A longer record keeps its beginning, its length and its SHA-256, and stays in
        the source topic at the offset named, so that the transaction can never fail on its size.
    """

    writer: RecordWriter
    topic: str
    stage: str
    worker: str
    version: str
    raw_limit: int

    def record(
        self, source: SourceRecord, reason: str, message: str, time_ms: int, candidate_id: str | None = None
    ) -> OutputRecord:
        """Quarantine record of ``source``, keyed by its position."""
        raw = source.value
        return self.writer.write(
            self.topic,
            QUARANTINE_SCHEMA,
            {
                "stage": self.stage,
                "topic": source.topic,
                "partition": source.partition,
                "offset": source.offset,
                "key": source.key[:MAX_KEY_BYTES] if source.key is not None else None,
                "headers": _bounded(source.headers),
                "source_timestamp": source.timestamp,
                "reason": reason,
                "message": message[:MAX_MESSAGE_CHARACTERS],
                "raw": raw[: self.raw_limit],
                "raw_complete": len(raw) <= self.raw_limit,
                "raw_length": len(raw),
                "raw_sha256": hashlib.sha256(raw).hexdigest(),
                "candidate_id": candidate_id or short_header(source, CANDIDATE_HEADER),
                "worker": self.worker,
                "worker_version": self.version,
                "quarantined_at": time_ms,
            },
            key=f"{source.topic}/{source.partition}/{source.offset}",
            headers=(*inherited_headers(source), ("reason", reason.encode())),
        )


def _bounded(headers: tuple[tuple[str, bytes | None], ...]) -> list[dict[str, object]]:
    kept: list[dict[str, object]] = []
    size = 0
    for name, value in headers:
        size += len(name) + len(value or b"")
        if size > MAX_HEADER_BYTES:
            break
        kept.append({"name": name, "value": value})
    return kept
