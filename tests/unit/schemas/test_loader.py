from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import schemas
from schemas.loader import crc64_avro

# Known answers of CRC-64-AVRO: the empty polynomial's and those of Apache Avro's test data.
VECTORS = {
    '"null"': 0x63DD24E7CC258F8A,
    '"boolean"': 0x9F42FC78A4D4F764,
    '"int"': 0x7275D51A3F395C8F,
    '"long"': 0xD054E14493F41DB7,
    '"float"': 0x4D7C02CB3EA8D790,
    '"double"': 0x8E7535C032AB957E,
    '"bytes"': 0x4FC016DAC3201965,
    '"string"': 0x8F014872634503C7,
}


def crc64_bit_by_bit(text: bytes) -> int:
    """The specification's algorithm, one bit at a time."""
    crc = 0xC15D213AA4D7A795
    for byte in text:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xC15D213AA4D7A795 if crc & 1 else 0)
    return crc


@pytest.mark.parametrize(("text", "expected"), VECTORS.items())
def test_fingerprints_of_primitive_types(text, expected):
    assert crc64_bit_by_bit(text.encode()) == expected
    assert crc64_avro(text.strip('"')) == expected


def test_fingerprints_do_not_depend_on_documentation_and_order_of_keys():
    plain = {"type": "record", "name": "A", "namespace": "n", "fields": [{"name": "x", "type": "int"}]}
    canonical = b'{"name":"n.A","type":"record","fields":[{"name":"x","type":"int"}]}'
    documented = {
        "doc": "An A.",
        "fields": [{"type": "int", "doc": "An x.", "name": "x", "default": 3}],
        "name": "n.A",
        "type": "record",
    }
    assert crc64_avro(plain) == crc64_avro(documented) == crc64_bit_by_bit(canonical)
    other = {**plain, "fields": [{"name": "x", "type": "long"}]}
    assert crc64_avro(other) != crc64_avro(plain)


def test_the_names_and_versions():
    assert schemas.names() == (
        "alert",
        "archived",
        "candidate",
        "neighbour",
        "outcome",
        "quarantine",
        "retract",
        "score",
    )
    newest = {name: max(schemas.versions(name)) for name in schemas.names()}
    assert newest == dict.fromkeys(schemas.names(), 1) | {"neighbour": 2}


def test_a_schema_is_loaded_by_name_and_version():
    candidate = schemas.load("candidate", 1)
    assert (candidate.name, candidate.version) == ("candidate", 1)
    assert candidate.definition["name"] == "Candidate"
    assert candidate.fullname == "lensnet.v1.Candidate"
    with pytest.raises(dataclasses.FrozenInstanceError):
        candidate.version = 2


def test_there_is_no_latest():
    with pytest.raises(TypeError):
        schemas.load("candidate")


@pytest.mark.parametrize("version", [0, 2, "latest", "1", None])
def test_an_unknown_version_lists_the_known_ones(version):
    with pytest.raises(schemas.UnknownSchemaError, match=r"candidate.*there are 1$"):
        schemas.load("candidate", version)


@pytest.mark.parametrize("name", ["", "candidates", "__pycache__", "../schemas/candidate"])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(schemas.UnknownSchemaError, match=r"alert, .*candidate, .*quarantine, .*score"):
        schemas.load(name, 1)


def test_the_data_are_found_in_a_zip_too(tmp_path):
    """importlib.resources finds the files wherever the package is installed."""
    package = Path(schemas.__file__).parent
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in package.rglob("*"):
            if path.suffix in {".py", ".avsc", ".json", ".avro"}:
                zipped.write(path, Path("schemas") / path.relative_to(package))
    code = (
        "import schemas, schemas.samples\n"
        "assert '.zip' in schemas.__file__\n"
        "print([schemas.load(n, v).fingerprint for n in schemas.names() for v in schemas.versions(n)])\n"
        "assert not list(schemas.samples.stale())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(archive)},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [schemas.load(n, v).fingerprint for n in schemas.names() for v in schemas.versions(n)]
    assert done.stdout.strip() == str(expected)
