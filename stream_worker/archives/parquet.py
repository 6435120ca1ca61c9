"""Parquet files of candidates, nested or long, read a row group at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stream_worker.archives.candidates import checked_candidate
from stream_worker.archives.parquet_layout import DETECTION, LONG, NESTED, PLAIN, PREFIX, Layout
from stream_worker.archives.reading import Archived, ArchiveFault, Piece
from stream_worker.candidate import Candidate
from stream_worker.codec import BadPacket, Reason
from stream_worker.preprocessing.light_curve import AUXILIARIES, COLUMNS

_BUFFER_BYTES: Final = 2**20
_NESTED_ROWS: Final = 64
_LONG_ROWS: Final = 65_536


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """A Parquet file; a piece is a row group, or the candidates that begin in one where it is long.

    ``skip`` holds for each piece the rows at its start that belong to a candidate of the piece before.
    """

    path: Path
    layout: Layout
    pieces: tuple[Piece, ...]
    skip: tuple[int, ...]
    notices: tuple[str, ...] = ()
    faults: tuple[ArchiveFault, ...] = ()

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return f"Parquet, {self.layout}"

    @property
    def files(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    def read(self, piece: Piece) -> Iterator[Archived]:
        """Yield the candidates of a row group, some of its rows in memory; raises ArchiveFault."""
        read = _read_nested if self.layout == "nested" else _read_long
        index = 0
        try:
            for record in read(self, piece):
                yield Archived(piece.first + index, _checked(record))
                index += 1
        except (pa.ArrowException, OSError) as error:
            raise ArchiveFault(self.path, f"row group {piece.number}", str(error)) from error


def _checked(record: Mapping[str, Any]) -> Candidate | BadPacket:
    """As of Avro, where the schema itself rules out nulls and unknown tenses."""
    try:
        return checked_candidate(record)
    except (TypeError, ValueError) as error:
        return BadPacket(Reason.EMPTY_FIELD, f"a value is null or of the wrong kind: {error}")


def open_parquet(path: Path) -> ParquetFile:
    """Read the footer and, of a long file, the column that tells candidates apart.

    Raises
    ------
    ArchiveFault
        No Parquet, a layout that is neither, or a candidate whose rows don't follow one another.
    """
    try:
        with _opened(path) as file:
            layout = _layout(path, file.schema_arrow)
            if layout == "nested":
                counts = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
                return ParquetFile(path, layout, _pieces(counts), (0,) * len(counts))
            counts, skip = _candidates_in_groups(path, file)
            return ParquetFile(path, layout, _pieces(counts), tuple(skip))
    except (pa.ArrowException, OSError) as error:
        raise ArchiveFault(path, "", f"no Parquet file that can be read: {error}") from error


def _opened(path: Path) -> pq.ParquetFile:
    """Open it to be read a little at a time; pages that have a checksum are checked."""
    return pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)


def _layout(path: Path, schema: pa.Schema) -> Layout:
    faults = {}
    layouts: tuple[tuple[Layout, pa.Schema], ...] = (("nested", NESTED), ("long", LONG))
    for layout, wanted in layouts:
        faults[layout] = [name for name in wanted.names if name not in schema.names]
        if not faults[layout]:
            if wrong := [text for field in wanted for text in _mismatches(schema.field(field.name), field)]:
                raise ArchiveFault(path, "schema", f"as a {layout} table of candidates: {'; '.join(wrong)}")
            return layout
    text = "; ".join(f"as a {layout} one it lacks {', '.join(names)}" for layout, names in faults.items())
    raise ArchiveFault(path, "schema", f"no table of candidates: {text}")


def _mismatches(found: pa.Field, wanted: pa.Field, within: str = "") -> Iterator[str]:
    """Columns that hold something else than is wanted, or lack a part of it."""
    name = f"{within}{wanted.name}"
    its, kind = found.type, wanted.type
    if pa.types.is_dictionary(its):
        its = its.value_type
    if pa.types.is_struct(its) and pa.types.is_struct(kind):
        for field in kind:
            place = its.get_field_index(field.name)
            if place < 0:
                yield f"column {name} lacks {field.name}"
            else:
                yield from _mismatches(its.field(place), field, f"{name}.")
    elif pa.types.is_list(kind) and (pa.types.is_list(its) or pa.types.is_large_list(its)):
        yield from _mismatches(
            its.value_field.with_name("item"), kind.value_field.with_name("item"), f"{name}."
        )
    elif not _can_be(its, kind):
        yield f"column {name} is {found.type}, expected {kind}"


_NUMBERS: Final = ("is_floating", "is_integer", "is_null")
_KINDS: Final = (
    (("is_string", "is_large_string", "is_null"), pa.types.is_string),
    (_NUMBERS, pa.types.is_floating),
    (_NUMBERS, pa.types.is_integer),
    (("is_timestamp", "is_integer"), pa.types.is_timestamp),
)
"""Kinds of columns (predicates of `pyarrow.types`) that can stand for one that is wanted."""


def _can_be(found: pa.DataType, wanted: pa.DataType) -> bool:
    kinds = next((kinds for kinds, is_wanted in _KINDS if is_wanted(wanted)), ())
    return any(getattr(pa.types, kind)(found) for kind in kinds)


def _pieces(counts: list[int]) -> tuple[Piece, ...]:
    firsts = np.concatenate([[0], np.cumsum(counts)]).tolist()
    return tuple(Piece(number, firsts[number], count) for number, count in enumerate(counts))


def _candidates_in_groups(path: Path, file: pq.ParquetFile) -> tuple[list[int], list[int]]:
    """Candidates that begin in each row group, and rows before the first of them."""
    counts, skip, seen, last = [], [], array("q"), None
    for number in range(file.num_row_groups):
        begins = 0
        before = file.metadata.row_group(number).num_rows
        row = 0
        for batch in file.iter_batches(_LONG_ROWS, row_groups=[number], columns=["candidate_id"]):
            ids = batch.column(0).to_pylist()
            for place, candidate_id in enumerate(ids):
                if candidate_id != last:
                    before = min(before, row + place)
                    begins += 1
                    seen.append(hash(candidate_id))
                    last = candidate_id
            row += len(ids)
        counts.append(begins)
        skip.append(before)
    repeated = len(seen) - np.unique(np.frombuffer(seen, np.int64)).size
    if repeated:
        raise ArchiveFault(
            path, "candidate_id", f"the rows of {repeated} candidates do not follow one another"
        )
    return counts, skip


def _read_nested(archive: ParquetFile, piece: Piece) -> Iterator[dict[str, Any]]:
    with _opened(archive.path) as file:
        batches = file.iter_batches(_NESTED_ROWS, row_groups=[piece.number], columns=NESTED.names)
        for batch in batches:
            plain = _plain_rows(batch)
            found = batch.column("alertfinder").to_pylist()
            curves = _Curves(batch.column("light_curves"))
            for row, values in enumerate(plain):
                yield {**values, "alertfinder": found[row], "light_curves": curves.of(row)}


class _Curves:
    """The light curves of a batch of rows, as numpy views of its columns."""

    def __init__(self, column: pa.ListArray) -> None:
        self._bounds = column.offsets.to_numpy()
        items = column.values
        self._names = [
            (site.as_py(), dataset.as_py())
            for site, dataset in zip(items.field("site"), items.field("dataset"), strict=True)
        ]
        self._columns = {
            name: _Lists(items.field(name), np.float64 if name == "hjd" else np.float32) for name in COLUMNS
        }

    def of(self, row: int) -> list[dict[str, Any]]:
        """Light curves of one row."""
        return [
            {
                "site": self._names[item][0],
                "dataset": self._names[item][1],
                **{name: lists.of(item) for name, lists in self._columns.items()},
            }
            for item in range(self._bounds[row], self._bounds[row + 1])
        ]


class _Lists:
    """A column of lists of numbers."""

    def __init__(self, column: pa.ListArray, dtype: Any) -> None:
        self._bounds = column.offsets.to_numpy()
        self._valid = column.is_valid().to_numpy(zero_copy_only=False)
        self._values = column.values.to_numpy(zero_copy_only=False).astype(dtype, copy=False)

    def of(self, item: int) -> Any:
        """The numbers of one list, None where it is null."""
        if not self._valid[item]:
            return None
        return self._values[self._bounds[item] : self._bounds[item + 1]]


def _read_long(archive: ParquetFile, piece: Piece) -> Iterator[dict[str, Any]]:
    """Rows from where the piece's first candidate begins to where its last ends, perhaps groups later."""
    left, skip = piece.count or 0, archive.skip[piece.number]
    if not left:
        return
    with _opened(archive.path) as file:
        groups = list(range(piece.number, file.num_row_groups))
        held: list[pa.RecordBatch] = []
        current = None
        for whole in file.iter_batches(_LONG_ROWS, row_groups=groups, columns=LONG.names):
            batch = whole.slice(skip)
            skip = max(0, skip - whole.num_rows)
            for part in _runs(batch):
                name = part.column("candidate_id")[0].as_py()
                if held and name != current:
                    yield _assembled(held)
                    held, left = [], left - 1
                    if not left:
                        return
                current = name
                held.append(part)
        if held:
            yield _assembled(held)


def _runs(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Split a batch where the candidate changes."""
    if not batch.num_rows:
        return
    ids = batch.column("candidate_id").to_numpy(zero_copy_only=False)
    starts = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), batch.num_rows]
    for start, stop in pairwise(starts):
        yield batch.slice(start, stop - start)


def _assembled(parts: list[pa.RecordBatch]) -> dict[str, Any]:
    """One candidate from its rows."""
    rows = pa.Table.from_batches(parts).combine_chunks()
    (plain,) = _plain_rows(rows.slice(0, 1))
    found = {name: rows.column(f"{PREFIX}{name}")[0].as_py() for name, _ in DETECTION}
    names = list(zip(rows.column("site").to_pylist(), rows.column("dataset").to_pylist(), strict=True))
    places: dict[tuple[str, str], list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    columns = {name: _numbers(rows.column(name), name) for name in COLUMNS}
    return {
        **plain,
        "alertfinder": found,
        "light_curves": [
            {
                "site": site,
                "dataset": dataset,
                **{name: _of_dataset(columns[name], np.array(mine), name) for name in COLUMNS},
            }
            for (site, dataset), mine in places.items()
        ],
    }


def _numbers(column: pa.ChunkedArray, name: str) -> tuple[Any, Any]:
    dtype = np.float64 if name == "hjd" else np.float32
    null = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    return column.to_numpy(zero_copy_only=False).astype(dtype), null


def _of_dataset(column: tuple[Any, Any], mine: Any, name: str) -> Any:
    values, null = column
    if name in AUXILIARIES and null is not None and null[mine].all():
        return None
    return values[mine]


def _plain_rows(batch: Any) -> list[Mapping[str, Any]]:
    columns = {field.name: _plain(batch.column(field.name), field).to_pylist() for field in PLAIN}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _plain(column: Any, wanted: pa.Field) -> Any:
    """A column as the schema has it; times as milliseconds, whatever unit they come in."""
    try:
        if not pa.types.is_timestamp(wanted.type):
            return column.cast(wanted.type)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("ms", column.type.tz), safe=False)
        return column.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise pa.ArrowInvalid(f"column {wanted.name}: {error}") from error
