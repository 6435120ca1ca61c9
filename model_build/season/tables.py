"""Parquet tables whose rows are frozen dataclasses, with a version in the file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

_ARROW_TYPES: Final = {"str": pa.string(), "float": pa.float64(), "bool": pa.bool_(), "int": pa.int64()}


class BadTable(ValueError):
    """A file is no table of this kind and version."""


def schema_of(row: type[Any], version_name: str, version: str) -> pa.Schema:
    """Columns of a dataclass of str, float, bool and int fields, in order; ``| None`` makes one nullable."""
    return pa.schema(
        [_column(column.name, str(column.type)) for column in fields(row)], metadata={version_name: version}
    )


def write_table(path: Path, rows: Iterable[Any], schema: pa.Schema) -> int:
    """Write rows with the schema's columns as attributes, whole or not at all; return how many.

    Equal rows in equal order give equal bytes. An existing file is replaced.
    """
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    for row in rows:
        for name, values in columns.items():
            values.append(getattr(row, name))
    table = pa.table(columns, schema=schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        pq.write_table(table, temporary, compression="zstd")
        with Path(temporary).open("rb") as written:
            os.fsync(written.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return int(table.num_rows)


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Return a table of that schema.

    Raises
    ------
    BadTable
        If the file is no Parquet file, or its version or columns are others than the schema's.
    FileNotFoundError
        If there is no such file.
    """
    ((version_name, version),) = schema.metadata.items()
    try:
        found = pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise BadTable(f"{path}: no Parquet file: {error}") from error
    its_version = (found.metadata or {}).get(version_name, b"").decode()
    name = version_name.decode().removeprefix("lensnet.").replace("_", " ")
    if its_version != version.decode():
        raise BadTable(f"{path}: {name} {its_version!r}, expected {version.decode()!r}")
    if not found.equals(schema):
        differing = sorted(
            set(map(str, found)).symmetric_difference(map(str, schema)) or ["order of columns"]
        )
        raise BadTable(f"{path}: columns differ from those of version {version.decode()}: {differing}")
    return pq.read_table(path)


def _column(name: str, annotation: str) -> pa.Field:
    kind, *optional = annotation.split(" | ")
    return pa.field(name, _ARROW_TYPES[kind], nullable=bool(optional))
