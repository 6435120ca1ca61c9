"""Whether a reader's schema can read what a writer's wrote.

The rules are those of the Avro 1.11 specification, "Schema Resolution".
Stricter than a run-time resolution: whatever *could* fail for some value counts, so that two released
versions that pass can exchange any record. Aliases are not followed; released names don't change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastavro.schema import parse_schema

_PROMOTIONS: Final[Mapping[str, frozenset[str]]] = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}
_NAMED: Final = frozenset({"record", "error", "enum", "fixed"})


def incompatibilities(reader: Any, writer: Any) -> list[str]:
    """List every place where ``reader`` can't read what ``writer`` may have written; empty when it can.

    Both are Avro schemas as parsed JSON. Each entry names the path, what the writer has and what the reader
    expects. Fields that only the writer has are ignored, as a reader does; fields that only the reader has
    need a default.
    """
    return _Comparison(reader, writer).faults()


class _Comparison:
    """Walks two schemas side by side; remembers the pairs of records met, which may contain themselves."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader_names: dict[str, Any] = {}
        self._writer_names: dict[str, Any] = {}
        self._reader = parse_schema(reader, self._reader_names)
        self._writer = parse_schema(writer, self._writer_names)
        self._met: set[tuple[str, str]] = set()
        self._complex: dict[str, Callable[[Any, Any, str], list[str]]] = {
            "record": self._records,
            "error": self._records,
            "enum": _enums,
            "fixed": _sizes,
            "array": self._arrays,
            "map": self._maps,
        }

    def faults(self) -> list[str]:
        return self._compare(self._reader, self._writer, "")

    def _compare(self, reader: Any, writer: Any, path: str) -> list[str]:
        reader, writer = _resolved(reader, self._reader_names), _resolved(writer, self._writer_names)
        if isinstance(writer, list):
            return [fault for branch in writer for fault in self._compare(reader, branch, path)]
        if isinstance(reader, list):
            return self._against_union(reader, writer, path)
        if not _same_kind(reader, writer):
            return _promotion(reader, writer, path)
        compare = self._complex.get(_type_of(reader), _logical_types)
        return compare(reader, writer, path)

    def _arrays(self, reader: Mapping[str, Any], writer: Mapping[str, Any], path: str) -> list[str]:
        return self._compare(reader["items"], writer["items"], f"{path}[]")

    def _maps(self, reader: Mapping[str, Any], writer: Mapping[str, Any], path: str) -> list[str]:
        return self._compare(reader["values"], writer["values"], f"{path}[]")

    def _against_union(self, reader: list[Any], writer: Any, path: str) -> list[str]:
        same = [branch for branch in reader if _same_kind(_resolved(branch, self._reader_names), writer)]
        if same:  # its own branch, if there is one, says best what is wrong
            return self._compare(same[0], writer, path)
        if any(not self._compare(branch, writer, path) for branch in reader):
            return []
        expected = ", ".join(_shown(branch) for branch in reader)
        return [_fault(path, f"the writer has {_shown(writer)}, the reader expects one of {expected}")]

    def _records(self, reader: Mapping[str, Any], writer: Mapping[str, Any], path: str) -> list[str]:
        pair = (reader["name"], writer["name"])
        if pair in self._met:
            return []
        self._met.add(pair)
        written = {field["name"]: field for field in writer["fields"]}
        faults = []
        for field in reader["fields"]:
            name = field["name"]
            here = f"{path}.{name}" if path else name
            if name in written:
                faults += self._compare(field["type"], written[name]["type"], here)
            elif "default" not in field:
                faults.append(_fault(here, "the writer lacks the field and the reader has no default for it"))
        return faults


def _promotion(reader: Any, writer: Any, path: str) -> list[str]:
    if _type_of(reader) in _PROMOTIONS.get(_type_of(writer), ()):
        return []
    return [_fault(path, f"the writer has {_shown(writer)}, the reader expects {_shown(reader)}")]


def _enums(reader: Mapping[str, Any], writer: Mapping[str, Any], path: str) -> list[str]:
    unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    if unknown and "default" not in reader:
        known = ", ".join(reader["symbols"])
        return [
            _fault(path, f"the writer's enum has {', '.join(unknown)}, the reader expects one of {known}")
        ]
    return []


def _sizes(reader: Mapping[str, Any], writer: Mapping[str, Any], path: str) -> list[str]:
    if reader["size"] == writer["size"]:
        return []
    return [
        _fault(path, f"the writer's fixed has {writer['size']} bytes, the reader expects {reader['size']}")
    ]


def _logical_types(reader: Any, writer: Any, path: str) -> list[str]:
    """A changed logical type passes by the specification, but milliseconds read as microseconds are wrong."""
    expected, written = _logical_type(reader), _logical_type(writer)
    if expected is None or written is None or expected == written:
        return []
    return [_fault(path, f"the writer's logical type is {written}, the reader expects {expected}")]


def _logical_type(schema: Any) -> str | None:
    return schema.get("logicalType") if isinstance(schema, Mapping) else None


def _resolved(schema: Any, names: Mapping[str, Any]) -> Any:
    return names.get(schema, schema) if isinstance(schema, str) else schema


def _type_of(schema: Any) -> str:
    return str(schema["type"] if isinstance(schema, Mapping) else schema)


def _same_kind(reader: Any, writer: Any) -> bool:
    if isinstance(reader, list) or _type_of(reader) != _type_of(writer):
        return False
    return _type_of(reader) not in _NAMED or bool(reader["name"] == writer["name"])


def _shown(schema: Any) -> str:
    if isinstance(schema, Mapping) and schema["type"] in _NAMED:
        return f"{schema['type']} {schema['name']}"
    return _type_of(schema)


def _fault(path: str, message: str) -> str:
    return f"{path or 'the record'}: {message}"
