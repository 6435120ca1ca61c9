from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import fastavro
import pytest

import schemas
from schemas import samples
from schemas.loader import sample_avro

ALL = [schemas.load(name, version) for name in schemas.names() for version in schemas.versions(name)]


def optional_paths(schema, path=""):
    """Yield the path of every nullable field, nested ones included."""
    if isinstance(schema, list):
        yield path
        schema = schema[1]
    if not isinstance(schema, dict):
        return
    for field in schema.get("fields", []):
        yield from optional_paths(field["type"], f"{path}.{field['name']}")
    if schema["type"] == "array":
        yield from optional_paths(schema["items"], path)


def values_at(record, path):
    """Return every value that stands at a dotted path, through arrays."""
    values = [record]
    for name in path.strip(".").split("."):
        flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
        values = [value[name] for value in flat if value is not None]
    return values


@pytest.mark.parametrize("schema", ALL, ids=lambda schema: schema.name)
def test_the_binary_sample_is_that_of_the_json(schema):
    assert sample_avro(schema.name, schema.version) == samples.container_bytes(
        schema, samples.sample_records(schema)
    )


@pytest.mark.parametrize("schema", ALL, ids=lambda schema: schema.name)
def test_any_reader_gets_the_records_of_the_json(schema):
    records = list(fastavro.reader(io.BytesIO(sample_avro(schema.name, schema.version))))
    again = samples.container_bytes(schema, records)
    assert again == sample_avro(schema.name, schema.version)
    assert len(records) == len(samples.sample_records(schema)) >= 2


@pytest.mark.parametrize("schema", ALL, ids=lambda schema: schema.name)
def test_every_optional_field_is_set_in_one_sample_and_null_in_another(schema):
    records = samples.sample_records(schema)
    optional = list(optional_paths(schema.definition))
    assert optional
    for path in optional:
        values = [value for record in records for value in values_at(record, path)]
        assert any(value is None for value in values), f"{path} is nowhere null"
        assert any(value is not None for value in values), f"{path} is nowhere set"


def test_the_samples_tell_one_story():
    first = {schema.name: samples.sample_records(schema)[0] for schema in ALL}
    assert first["score"]["candidate_id"] == first["candidate"]["candidate_id"]
    assert first["alert"]["candidate_id"] == first["candidate"]["candidate_id"]
    assert sum(first["score"]["class_probabilities"].values()) == pytest.approx(1)


@pytest.fixture
def copy(tmp_path):
    """A copy of the package that a test may spoil."""
    package = Path(schemas.__file__).parent
    shutil.copytree(package, tmp_path / "schemas", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(folder, *arguments, seed="0"):
    return subprocess.run(
        [sys.executable, "-m", "schemas.samples", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_finds_a_stale_and_a_missing_sample_and_writing_mends_them(copy):
    assert run(copy, "--check").returncode == 0
    stale, missing = copy / "schemas/alert/1/sample.avro", copy / "schemas/score/1/sample.avro"
    good = [stale.read_bytes(), missing.read_bytes()]
    stale.write_bytes(good[0][:-1])
    missing.unlink()
    check = run(copy, "--check")
    assert check.returncode == 1
    assert [line.split()[0] for line in check.stderr.splitlines()] == [str(stale), str(missing)]
    assert not missing.exists()
    assert run(copy).returncode == 0
    assert [stale.read_bytes(), missing.read_bytes()] == good
    assert run(copy, "--check").returncode == 0


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_the_bytes_do_not_depend_on_the_order_of_hashes(copy, seed):
    assert run(copy, "--check", seed=seed).returncode == 0


def test_a_sample_that_breaks_its_schema_is_refused():
    schema = schemas.load("outcome", 1)
    record = samples.sample_records(schema)[0]
    with pytest.raises(fastavro.validation.ValidationError):
        samples.container_bytes(schema, [{**record, "offset": "12"}])
    with pytest.raises(ValueError, match="surplus"):
        samples.container_bytes(schema, [{**record, "surplus": 1}])
    del record["redriven_from"]
    with pytest.raises(ValueError, match="redriven_from"):
        samples.container_bytes(schema, [record])
