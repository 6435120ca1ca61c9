"""Writes each schema's ``sample.avro`` from its ``sample.json``, the same bytes every time.

``sample.json`` is a list of records in plain JSON: unions untagged, bytes as ISO-8859-1 text (as in Avro's
own JSON encoding). ``sample.avro`` is an Avro container file of the same records, uncompressed, with the
schema's fixed sync marker.

Run ``python -m schemas.samples`` to write the files and ``python -m schemas.samples --check`` to compare
them.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fastavro

from schemas.container import container_block, container_header
from schemas.loader import Schema, load, names, sample_avro, sample_json, versions


def sample_records(schema: Schema) -> list[dict[str, Any]]:
    """Return the records of ``sample.json``, ready for an Avro writer."""
    records: list[dict[str, Any]] = _from_json(
        {"type": "array", "items": schema.definition}, json.loads(sample_json(schema.name, schema.version))
    )
    return records


def container_bytes(schema: Schema, records: Sequence[Mapping[str, Any]]) -> bytes:
    """Return an Avro container file of the records: no compression, fixed sync marker.

    Raises
    ------
    ValueError
        A record doesn't fit the schema.
    """
    buffer = io.BytesIO()
    for record in records:
        fastavro.validate(record, schema.parsed)
        fastavro.schemaless_writer(buffer, schema.parsed, record, strict=True)
    header = container_header(schema, "null", schema.sync_marker)
    return header + container_block(len(records), buffer.getvalue(), schema.sync_marker)


def stale() -> Iterator[tuple[Schema, bytes]]:
    """Yield every schema whose ``sample.avro`` is missing or differs, with the bytes it should have."""
    for schema in (load(name, version) for name in names() for version in versions(name)):
        expected = container_bytes(schema, sample_records(schema))
        try:
            found = sample_avro(schema.name, schema.version)
        except FileNotFoundError:
            found = b""
        if found != expected:
            yield schema, expected


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the samples, or with ``--check`` say which are stale; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m schemas.samples", description="Write the sample.avro files."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    check = parser.parse_args(arguments).check
    exit_code = 0
    for schema, expected in stale():
        path = Path(__file__).parent / schema.name / str(schema.version) / "sample.avro"
        if check:
            sys.stderr.write(f"{path} differs from sample.json: run python -m schemas.samples\n")
            exit_code = 1
        else:
            path.write_bytes(expected)
            sys.stdout.write(f"{path}: {len(expected)} bytes\n")
    return exit_code


def _from_json(schema: Any, value: Any) -> Any:
    """Turn the text of bytes into bytes; everything else is the same in JSON and in a writer's record."""
    if isinstance(schema, list):
        (other,) = [branch for branch in schema if branch != "null"]
        return None if value is None else _from_json(other, value)
    kind = schema["type"] if isinstance(schema, Mapping) else schema
    if kind in {"bytes", "fixed"}:
        return value.encode("latin-1")
    if kind == "array":
        return [_from_json(schema["items"], item) for item in value]
    if kind == "map":
        return {key: _from_json(schema["values"], item) for key, item in value.items()}
    if kind == "record":
        types = {field["name"]: field["type"] for field in schema["fields"]}
        return {name: _from_json(types[name], item) for name, item in value.items()}
    return value


if __name__ == "__main__":
    sys.exit(main())
