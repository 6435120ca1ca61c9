"""Columns of the two Parquet layouts of candidates, nested and long, and writers for both.

Nested: a row per candidate, named as schema candidate 1. Long: a row per observation; what is told of the
candidate repeats on its rows, which follow one another, and a dataset's auxiliary column is null throughout
where it was not measured.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stream_worker.candidate import Candidate
from stream_worker.preprocessing.light_curve import AUXILIARIES, COLUMNS

Layout = Literal["nested", "long"]

_F8, _F4 = pa.list_(pa.float64()), pa.list_(pa.float32())
PLAIN: Final = pa.schema(
    [
        pa.field("candidate_id", pa.string(), nullable=False),
        pa.field("survey", pa.string(), nullable=False),
        pa.field("season", pa.int32(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("tense", pa.string(), nullable=False),
        pa.field("replay_id", pa.string()),
        pa.field("star_id", pa.string(), nullable=False),
        pa.field("field", pa.string(), nullable=False),
        pa.field("chip", pa.string()),
        pa.field("x", pa.float32()),
        pa.field("y", pa.float32()),
        pa.field("ra", pa.float64(), nullable=False),
        pa.field("dec", pa.float64(), nullable=False),
        pa.field("baseline_mag", pa.float32()),
        pa.field("produced_at", pa.timestamp("ms", tz="UTC"), nullable=False),
    ]
)
"""What both layouts tell of a candidate, each in a column of its own."""

DETECTION: Final = (
    ("site", pa.string()),
    ("dataset", pa.string()),
    ("n_high", pa.int32()),
    ("t_break", pa.float64()),
    ("t_cut", pa.float64()),
    ("slope", pa.float64()),
    ("delta_chi2", pa.float64()),
)
"""The detection: a struct when nested, columns with the prefix ``alertfinder_`` when long."""

PREFIX: Final = "alertfinder_"
NESTED: Final = pa.schema(
    [
        *PLAIN,
        pa.field("alertfinder", pa.struct(list(DETECTION)), nullable=False),
        pa.field(
            "light_curves",
            pa.list_(
                pa.struct(
                    [
                        ("site", pa.string()),
                        ("dataset", pa.string()),
                        ("hjd", _F8),
                        *((name, _F4) for name in COLUMNS[1:]),
                    ]
                )
            ),
            nullable=False,
        ),
    ]
)
LONG: Final = pa.schema(
    [
        *PLAIN,
        *(pa.field(f"{PREFIX}{name}", kind) for name, kind in DETECTION),
        pa.field("site", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("hjd", pa.float64()),
        *(pa.field(name, pa.float32()) for name in COLUMNS[1:]),
    ]
)
ROW_GROUP: Final = 512
"""Candidates of a row group, which is read on its own."""


def write_parquet(path: Path, candidates: Iterable[Candidate], layout: Layout) -> int:
    """Write candidates and return how many; a row group at a time in memory, whole or not at all.

    Raises
    ------
    OSError
        The file can't be written.
    """
    schema, table = (NESTED, _nested) if layout == "nested" else (LONG, _long)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    written = 0
    try:
        with pq.ParquetWriter(
            part,
            schema,
            compression="zstd",
            use_dictionary=_dictionary(schema),
            write_page_checksum=True,
        ) as writer:
            for group in _groups(candidates):
                writer.write_table(table(group))
                written += len(group)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return written


def _dictionary(schema: pa.Schema) -> list[str]:
    """Columns that repeat: light curves themselves never do."""
    return [field.name for field in schema if field.name not in (*COLUMNS, "light_curves")]


def _groups(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    group: list[Candidate] = []
    for candidate in candidates:
        group.append(candidate)
        if len(group) == ROW_GROUP:
            yield group
            group = []
    if group:
        yield group


def _plain(candidate: Candidate) -> dict[str, Any]:
    values = {name: getattr(candidate, name) for name in PLAIN.names}
    values["tense"] = candidate.tense.value
    return values


def _detection(candidate: Candidate) -> dict[str, Any]:
    return {name: getattr(candidate.alertfinder, name) for name, _ in DETECTION}


def _nested(group: list[Candidate]) -> pa.Table:
    rows = [
        {
            **_plain(one),
            "alertfinder": _detection(one),
            "light_curves": [
                {"site": lc.site, "dataset": lc.dataset, **{name: getattr(lc, name) for name in COLUMNS}}
                for lc in one.light_curves
            ],
        }
        for one in group
    ]
    return pa.Table.from_pylist(rows, NESTED)


def _long(group: list[Candidate]) -> pa.Table:
    curves = [(one, lc) for one in group for lc in one.light_curves]
    counts = np.array([lc.hjd.size for _, lc in curves])
    take = pa.array(np.repeat(np.arange(len(curves)), counts))

    def repeated(of_curves: list[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(of_curves, kind).take(take)

    plain: list[Mapping[str, Any]] = [_plain(one) for one, _ in curves]
    columns = [repeated([values[f.name] for values in plain], f.type) for f in PLAIN]
    columns += [
        repeated([getattr(one.alertfinder, name) for one, _ in curves], kind) for name, kind in DETECTION
    ]
    columns += [
        repeated([getattr(lc, name) for _, lc in curves], pa.string()) for name in ("site", "dataset")
    ]
    columns += [_stacked([getattr(lc, name) for _, lc in curves], counts, name) for name in COLUMNS]
    return pa.Table.from_arrays(columns, schema=LONG)


def _stacked(parts: list[Any], counts: Any, name: str) -> pa.Array:
    kind = LONG.field(name).type
    if name not in AUXILIARIES:
        return pa.array(np.concatenate(parts), kind)
    values = np.concatenate(
        [
            np.zeros(n, np.float32) if part is None else part.astype(np.float32)
            for part, n in zip(parts, counts, strict=True)
        ]
    )
    null = np.repeat([part is None for part in parts], counts)
    return pa.array(values, kind, mask=null)
