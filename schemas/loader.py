"""Finds, reads and fingerprints the released schemas.

A schema lives in ``<name>/<version>/<name>.avsc`` beside sample records as JSON and as an Avro container
file. A released file never changes: a new shape of record is a new version folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form


class UnknownSchemaError(LookupError):
    """No schema of that name and version is released; the message lists those that are."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One released version of one schema.

    Parameters
    ----------
    name : str
        Folder name, e.g. ``"candidate"``.
    version : int
        Version, from 1.
    definition : dict
        The schema as it stands in the file; treat as read-only.
    fingerprint : int
        CRC-64-AVRO of the parsing canonical form (Avro 1.11 specification, "Schema Fingerprints").
    parsed : dict
        The definition in the form that fastavro's writers take.
    """

    name: str
    version: int
    definition: Mapping[str, Any] = field(repr=False, compare=False)
    fingerprint: int
    parsed: dict[str, Any] = field(repr=False, compare=False)

    @property
    def fullname(self) -> str:
        """Name with namespace, e.g. ``"lensnet.v1.Candidate"``."""
        return f"{self.definition['namespace']}.{self.definition['name']}"

    @property
    def sync_marker(self) -> bytes:
        """Sync marker of 16 bytes, for container files that come out the same each time they are written."""
        return hashlib.sha256(self.fingerprint.to_bytes(8, "little")).digest()[:16]


@cache
def load(name: str, version: int) -> Schema:
    """Read a released schema.

    Raises
    ------
    UnknownSchemaError
        That name or version is not released.
    """
    definition = json.loads(_version_file(name, version, f"{name}.avsc").read_text(encoding="utf-8"))
    return Schema(
        name=name,
        version=version,
        definition=definition,
        fingerprint=crc64_avro(definition),
        parsed=_parsed(definition),
    )


@cache
def names() -> tuple[str, ...]:
    """Names of all schemas, sorted."""
    return tuple(sorted(folder.name for folder in _root().iterdir() if _version_numbers(folder)))


@cache
def versions(name: str) -> tuple[int, ...]:
    """Released versions of a schema, ascending.

    Raises
    ------
    UnknownSchemaError
        No schema has that name.
    """
    if name not in names():
        raise UnknownSchemaError(f"no schema is named {name!r}; there are {', '.join(names())}")
    return _version_numbers(_root() / name)


def sample_json(name: str, version: int) -> str:
    """Return the text of ``sample.json``: a list of records in plain JSON (see `schemas.samples`)."""
    return _version_file(name, version, "sample.json").read_text(encoding="utf-8")


def sample_avro(name: str, version: int) -> bytes:
    """Return the bytes of ``sample.avro``, an Avro container file of the records of ``sample.json``."""
    return _version_file(name, version, "sample.avro").read_bytes()


def crc64_avro(definition: Any) -> int:
    """CRC-64-AVRO of a schema's parsing canonical form (Avro 1.11 specification, "Schema Fingerprints")."""
    little_endian = fingerprint(to_parsing_canonical_form(definition), "CRC-64-AVRO")
    return int.from_bytes(bytes.fromhex(little_endian), "little")


def _parsed(definition: dict[str, Any]) -> dict[str, Any]:
    parsed = parse_schema(definition)
    if not isinstance(parsed, dict):
        raise TypeError(f"schema {definition!r}: expected a record")
    return parsed


def _version_file(name: str, version: int, file_name: str) -> Traversable:
    if version not in versions(name):
        known = ", ".join(map(str, versions(name)))
        raise UnknownSchemaError(f"schema {name!r} has no version {version!r}; there are {known}")
    return _root() / name / str(version) / file_name


def _version_numbers(folder: Traversable) -> tuple[int, ...]:
    if not folder.is_dir():
        return ()
    return tuple(sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal()))


def _root() -> Traversable:
    return files("schemas")
