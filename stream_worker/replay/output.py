"""The result of a replay as Parquet: a row per record, and in the metadata everything that decided it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from stream_worker.replay.grouping import GroupedRow
from stream_worker.replay.scoring import Row

PINS_KEY: Final = b"lensnet.replay"
"""Entry of the file's metadata: replay id, pins and faults, as JSON."""

_TIME: Final = pa.timestamp("ms", tz="UTC")
_STRINGS: Final = pa.list_(pa.string())
_ALERT: Final = pa.struct(
    [
        ("sequence", pa.int64()),
        ("at", _TIME),
        ("type", pa.string()),
        ("reason", pa.string()),
        ("revision", pa.int32()),
        ("superseded_by", pa.string()),
        ("members", _STRINGS),
        ("crowded", pa.bool_()),
    ]
)
_DECISION: Final = pa.struct([("name", pa.string()), ("threshold", pa.float64()), ("passed", pa.bool_())])
_SITE: Final = pa.struct([("site", pa.string()), ("n_received", pa.int32()), ("n_used", pa.int32())])
SCHEMA: Final = pa.schema(
    [
        ("source", pa.string()),
        ("record", pa.int64()),
        ("candidate_id", pa.string()),
        ("star_id", pa.string()),
        ("run_id", pa.string()),
        ("t_cut", pa.float64()),
        ("produced_at", _TIME),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("tense", pa.string()),
        ("replay_id", pa.string()),
        ("survey", pa.string()),
        ("field", pa.string()),
        ("chip", pa.string()),
        ("ra", pa.float64()),
        ("dec", pa.float64()),
        ("site", pa.string()),
        ("dataset", pa.string()),
        ("n_high", pa.int32()),
        ("t_break", pa.float64()),
        ("slope", pa.float64()),
        ("delta_chi2", pa.float64()),
        ("p_review", pa.float64()),
        ("p_yes", pa.float64()),
        ("p_maybe", pa.float64()),
        ("p_no", pa.float64()),
        ("p_event", pa.float64()),
        ("decisions", pa.list_(_DECISION)),
        ("current_mag", pa.float64()),
        ("baseline_mag", pa.float64()),
        ("hjd_last", pa.float64()),
        ("data_age_days", pa.float64()),
        ("stale", pa.bool_()),
        ("sites", pa.list_(_SITE)),
        ("group_outcome", pa.string()),
        ("group_reason", pa.string()),
        ("group_id", pa.string()),
        ("alerts", pa.list_(_ALERT)),
        ("final_primary", pa.bool_()),
        ("final_strongest", pa.string()),
        ("final_members", _STRINGS),
        ("final_crowded", pa.bool_()),
        ("final_live", pa.bool_()),
    ]
)
_OF_SCORE: Final = (
    "tense",
    "replay_id",
    "survey",
    "field",
    "chip",
    "ra",
    "dec",
    "p_review",
    "p_event",
    "decisions",
    "current_mag",
    "baseline_mag",
    "hjd_last",
    "data_age_days",
    "stale",
)
_OF_DETECTION: Final = ("site", "dataset", "n_high", "t_break", "slope", "delta_chi2")
_PLAIN: Final = (
    "source",
    "record",
    "candidate_id",
    "star_id",
    "run_id",
    "t_cut",
    "produced_at",
    "outcome",
    "reason",
    "message",
)


class RowSink(Protocol):
    """Takes rows of a result, in order."""

    def write(self, rows: Iterable[tuple[Row, GroupedRow | None]]) -> None:
        """Write rows; they are in the file when the block ends."""


class _Writer:
    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer

    def write(self, rows: Iterable[tuple[Row, GroupedRow | None]]) -> None:
        """Write rows as a row group."""
        flat = [_flat(row, grouped) for row, grouped in rows]
        if flat:
            self._writer.write_table(pa.Table.from_pylist(flat, SCHEMA))


@contextmanager
def result_writer(path: Path, about: Mapping[str, Any], part: Path) -> Iterator[RowSink]:
    """Write a result, whole or not at all; an older file is replaced when the new one is complete.

    Parameters
    ----------
    part
        Where it grows, on the same file system: kill -9 leaves it behind.

    Raises
    ------
    OSError
        The file can't be written.
    """
    metadata = {PINS_KEY: json.dumps(about, sort_keys=True, separators=(",", ":")).encode()}
    try:
        with pq.ParquetWriter(
            part, SCHEMA.with_metadata(metadata), compression="zstd", write_page_checksum=True
        ) as writer:
            yield _Writer(writer)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_about(path: Path) -> dict[str, Any]:
    """What a result says of itself: replay id, pins, faults.

    Raises
    ------
    ValueError
        The file is no result of a replay.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: no Parquet file that can be read: {error}") from error
    if PINS_KEY not in metadata:
        raise ValueError(f"{path}: no result of a replay: its metadata has no {PINS_KEY.decode()}")
    about: dict[str, Any] = json.loads(metadata[PINS_KEY])
    return about


def _flat(row: Row, grouped: GroupedRow | None) -> dict[str, Any]:
    flat = {name: row.get(name) for name in _PLAIN}
    score = row.get("score")
    if score is not None:
        flat.update({name: score[name] for name in _OF_SCORE})
        flat.update({name: score["alertfinder"][name] for name in _OF_DETECTION})
        flat.update({f"p_{name}": value for name, value in score["class_probabilities"].items()})
        flat["sites"] = score["sites"]
    if grouped is not None:
        flat.update(
            {
                "group_outcome": grouped.outcome,
                "group_reason": grouped.reason,
                "group_id": grouped.group_id,
                "alerts": grouped.alerts,
            }
        )
        if grouped.final is not None:
            flat.update({f"final_{name}": value for name, value in grouped.final.items()})
    return flat
