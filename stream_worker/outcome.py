"""Outcomes: one record for every source record of every stage."""

from __future__ import annotations

import json
from dataclasses import replace
from enum import StrEnum
from typing import Any

import schemas
from stream_worker.kafka.records import Headers, OutputRecord, SourceRecord
from stream_worker.outputs import RecordWriter

OUTCOME_SCHEMA = schemas.load("outcome", 1)
OUTCOME_HEADER = "outcome"
REDRIVEN_HEADER = "redriven-from"
MAX_TOPIC = 249  # the broker's own limit


class OutcomeKind(StrEnum):
    """What became of a source record."""

    SCORED = "SCORED"
    TOO_FEW_OBSERVATIONS = "TOO_FEW_OBSERVATIONS"
    QUARANTINED = "QUARANTINED"
    PUBLISHED = "PUBLISHED"
    GROUPED_AWAY = "GROUPED_AWAY"
    BELOW_THRESHOLD = "BELOW_THRESHOLD"
    CROWDED = "CROWDED"
    UNCHANGED = "UNCHANGED"
    DUPLICATE = "DUPLICATE"
    HALO = "HALO"
    TOO_LATE = "TOO_LATE"


def outcome_record(
    writer: RecordWriter,
    topic: str,
    *,
    stage: str,
    source: SourceRecord,
    outcome: OutcomeKind,
    settings_hash: str,
    time_ms: int,
    candidate_id: str | None = None,
    reason: str | None = None,
    group_id: str | None = None,
    trace: Headers = (),
) -> OutputRecord:
    """The outcome of ``source``, keyed by its position so that compaction could never merge two."""
    record = writer.write(
        topic,
        OUTCOME_SCHEMA,
        {
            "stage": stage,
            "topic": source.topic,
            "partition": source.partition,
            "offset": source.offset,
            "candidate_id": candidate_id,
            "outcome": outcome.value,
            "reason": reason,
            "group_id": group_id,
            "settings_hash": settings_hash,
            "redriven_from": _redriven(source),
            "time": time_ms,
        },
        key=f"{stage}/{source.topic}/{source.partition}/{source.offset}",
        headers=(*trace, (OUTCOME_HEADER, outcome.value.encode())),
    )
    return replace(record, source_timestamp=source.timestamp)


def redriven_header(topic: str, partition: int, offset: int) -> tuple[str, bytes]:
    """Header that a redriven packet carries, naming where it was first quarantined."""
    return REDRIVEN_HEADER, json.dumps([topic, partition, offset]).encode()


def _redriven(source: SourceRecord) -> dict[str, Any] | None:
    text = source.header(REDRIVEN_HEADER)
    if text is None:
        return None
    try:
        topic, partition, offset = json.loads(text)
        return {"topic": str(topic)[:MAX_TOPIC], "partition": int(partition), "offset": int(offset)}
    except (ValueError, TypeError):
        return None
