"""Released schemas never change, and say what each of their fields is."""

from __future__ import annotations

import hashlib
import itertools
import json
from importlib.resources import files

import pytest

import schemas
from schemas.compatibility import incompatibilities

# Fingerprints as Apache Avro 1.12 for Java computes them (SchemaNormalization.parsingFingerprint64).
RELEASED = {
    ("alert", 1): (0x928F7FDBC41439AE, "1aa6fd262bbe309a8cb5177cc67cc8bf2f534071f999154fd759464e640e6e55"),
    ("archived", 1): (0x20E6F4DC682433F4, "8e3d0b9c47f897e7b2ab00f5fb114a48477d8608a005dfacd541051b14919668"),
    ("candidate", 1): (
        0xB7FA5D5CD40964A7,
        "69ee8ada2946a73f5073fa87d6956fca4e9e28402c40750eee16c3f5a7ec4978",
    ),
    ("outcome", 1): (0x14E5785E05DB2861, "cfe829802c2e8626bae91bf70ffc3131d5193a4e8fb9d0ca04b39223b252d266"),
    ("quarantine", 1): (
        0x9844F6E881712264,
        "d5d175cb4e50817f49820f3ae67233c7500994ad2a660a75bcd07ea9192719a8",
    ),
    ("neighbour", 1): (
        0xA67CE41C0403CEB0,
        "ae8799add18d8214d4bb81c6c66321b97d77ba1f82a7c9f611e881ab58a22887",
    ),
    ("neighbour", 2): (
        0xE66DF6B8DE150F7B,
        "2746e795fd2dd22a6a4be9a31e5ea9ce9d455a4e1a79889c08369b64177e1f5a",
    ),
    ("retract", 1): (0x98D0FB64AB0141A4, "f1f185925a3f4a81cdc7c3ccc30fef07b312a5195cb27fdaab7899e8c8d9a5b5"),
    ("score", 1): (0xEAF30D4448A203EA, "0c68156900a7640e5e5842996e83184d159921c83c019d6ea81e85bc7257fa4b"),
}
ALL = [(name, version) for name in schemas.names() for version in schemas.versions(name)]


def parts(schema, path=""):
    """Yield (path, schema) of the schema and of everything within it."""
    if isinstance(schema, list):
        for branch in schema:
            yield from parts(branch, path)
        return
    yield path, schema
    if isinstance(schema, dict):
        for name in ("items", "values"):
            if name in schema:
                yield from parts(schema[name], f"{path}[]")
        for field in schema.get("fields", []):
            yield f"{path}.{field['name']}", field
            yield from parts(field["type"], f"{path}.{field['name']}")


def named_types(schema):
    return [
        (path, part)
        for path, part in parts(schema)
        if isinstance(part, dict) and part.get("type") in ("record", "enum", "fixed")
    ]


def fields(schema):
    return [(f"{path}.{f['name']}", f) for path, part in named_types(schema) for f in part.get("fields", [])]


def test_every_version_is_pinned():
    assert sorted(ALL) == sorted(RELEASED)


@pytest.mark.parametrize(("name", "version"), sorted(RELEASED))
def test_released_files_have_not_changed(name, version):
    fingerprint, sha256 = RELEASED[name, version]
    content = files("schemas").joinpath(name, str(version), f"{name}.avsc").read_bytes()
    assert hashlib.sha256(content).hexdigest() == sha256, "released: make a new version instead"
    assert schemas.load(name, version).fingerprint == fingerprint


@pytest.mark.parametrize(("name", "version"), ALL)
def test_every_field_and_named_type_is_documented(name, version):
    definition = schemas.load(name, version).definition
    undocumented = [
        path for path, part in named_types(definition) + fields(definition) if not part.get("doc")
    ]
    assert undocumented == []
    assert len(fields(definition)) >= len(definition["fields"])


@pytest.mark.parametrize(("name", "version"), ALL)
def test_unions_are_null_first_and_default_to_null(name, version):
    """What the resolution of the worker relies on, besides being the convention of alert streams."""
    for path, field in fields(schemas.load(name, version).definition):
        if isinstance(field["type"], list):
            assert len(field["type"]) == 2, path
            assert field["type"][0] == "null", path
            assert field.get("default", "none") is None, path


@pytest.mark.parametrize(("name", "version"), ALL)
def test_defaults_are_plain(name, version):
    """Bytes, fixed and nested records have no defaults: their JSON forms are easily got wrong."""
    for path, field in fields(schemas.load(name, version).definition):
        if field.get("default") is not None:
            kind = field["type"] if isinstance(field["type"], str) else field["type"]["type"]
            assert kind not in ("bytes", "fixed", "record"), path


@pytest.mark.parametrize(("name", "version"), ALL)
def test_the_namespace_is_that_of_the_major_version(name, version):
    assert schemas.load(name, version).fullname == f"lensnet.v1.{name.capitalize()}"


@pytest.mark.parametrize("name", schemas.names())
def test_all_versions_read_one_another(name):
    released = [schemas.load(name, version) for version in schemas.versions(name)]
    for reader, writer in itertools.product(released, released):
        assert incompatibilities(reader.definition, writer.definition) == [], (reader, writer)


def test_shared_types_are_the_same_in_every_schema():
    """Tense, AlertFinder and the like mean one thing wherever they stand."""
    seen = {}
    for name, version in ALL:
        for _, part in named_types(schemas.load(name, version).definition):
            content = json.dumps(part, sort_keys=True)
            assert seen.setdefault((part["name"], version), content) == content, (name, part["name"])
    assert len(seen) > len(ALL)
