"""Records of one version read as another."""

from __future__ import annotations

import copy
import io
import json

import fastavro
import numpy as np
import pytest
from support.candidates import make_candidate

import schemas
from schemas import samples
from schemas.loader import Schema, crc64_avro
from stream_worker.codec import (
    CANDIDATE,
    BadPacket,
    Reason,
    candidate_to_record,
    decode,
    decode_candidate,
    encode,
    encode_candidate,
)

GOOD = make_candidate(np.random.default_rng(5), 5, points=(4, 8))


def released(definition, version=1):
    """A schema as if it were released."""
    return Schema(
        name=definition["name"].lower(),
        version=version,
        definition=definition,
        fingerprint=crc64_avro(definition),
        parsed=fastavro.parse_schema(definition),
    )


def evolved(change):
    definition = copy.deepcopy(dict(CANDIDATE.definition))
    change(definition["fields"])
    return released(definition, version=2)


def named(fields, name):
    return next(field for field in fields if field["name"] == name)


def light_curve_fields(fields):
    return named(fields, "light_curves")["type"]["items"]["fields"]


def append(*new):
    return lambda fields: fields.extend(new)


def columns_equal(left, right):
    for one, other in zip(left.light_curves, right.light_curves, strict=True):
        np.testing.assert_array_equal(one.hjd, other.hjd)
        np.testing.assert_array_equal(one.flux, other.flux)
        assert one.flux.dtype == np.float32


def test_a_newer_writers_fields_are_ignored():
    writer = evolved(
        append({"name": "filter", "type": "string"}, {"name": "n", "type": {"type": "map", "values": "int"}})
    )
    body = encode(writer, {**candidate_to_record(GOOD), "filter": "I", "n": {"a": 1}})
    candidate = decode_candidate(body, writer.definition)
    assert candidate.alertfinder == GOOD.alertfinder
    columns_equal(candidate, GOOD)


def test_a_newer_writers_fields_within_light_curves_are_ignored():
    writer = evolved(lambda fields: light_curve_fields(fields).insert(2, {"name": "band", "type": "string"}))
    record = candidate_to_record(GOOD)
    for curve in record["light_curves"]:
        curve["band"] = "I"
    columns_equal(decode_candidate(encode(writer, record), writer.definition), GOOD)


def test_an_older_writers_missing_fields_get_the_readers_defaults():
    def drop(fields):
        for name in ("chip", "x", "replay_id"):
            fields.remove(named(fields, name))
        light_curve_fields(fields).pop()

    writer = evolved(drop)
    record = candidate_to_record(GOOD)
    for name in ("chip", "x", "replay_id"):
        del record[name]
    for curve in record["light_curves"]:
        del curve["psf_quality"]
    candidate = decode_candidate(encode(writer, record), writer.definition)
    assert (candidate.chip, candidate.x, candidate.replay_id) == (None, None, None)
    assert candidate.y == GOOD.y
    assert all(curve.psf_quality is None for curve in candidate.light_curves)
    columns_equal(candidate, GOOD)


def test_the_order_of_fields_does_not_matter():
    def turn(fields):
        fields.reverse()
        light_curve_fields(fields).reverse()

    writer = evolved(turn)
    columns_equal(decode_candidate(encode(writer, candidate_to_record(GOOD)), writer.definition), GOOD)


def test_numbers_are_promoted():
    def narrow(fields):
        named(fields, "ra")["type"] = "float"
        named(fields, "produced_at")["type"] = "long"
        named(light_curve_fields(fields), "hjd")["type"]["items"] = "float"
        named(light_curve_fields(fields), "flux")["type"]["items"] = "int"
        named(fields, "alertfinder")["type"]["fields"][5]["type"] = "int"
        named(fields, "survey")["type"] = "bytes"

    writer = evolved(narrow)
    record = candidate_to_record(GOOD)
    record["ra"] = 268.5
    record["alertfinder"]["slope"] = 7
    record["survey"] = record["survey"].encode()
    for curve in record["light_curves"]:
        curve["flux"] = list(range(len(curve["flux"])))
    candidate = decode_candidate(encode(writer, record), writer.definition)
    assert candidate.ra == 268.5
    assert isinstance(candidate.alertfinder.slope, float)
    assert candidate.survey == "KMTNet"
    for curve in candidate.light_curves:
        assert (curve.hjd.dtype, curve.flux.dtype) == (np.float64, np.float32)
        np.testing.assert_array_equal(curve.flux, np.arange(len(curve.hjd)))


def test_bytes_read_as_string_must_be_utf_8():
    writer = evolved(lambda fields: named(fields, "survey").update(type="bytes"))
    with pytest.raises(BadPacket, match="bytes read as string") as caught:
        decode_candidate(encode(writer, {**candidate_to_record(GOOD), "survey": b"\xff"}), writer.definition)
    assert caught.value.reason == Reason.MALFORMED_AVRO


INCOMPATIBLE = {
    "a field was dropped": (
        lambda fields: fields.remove(named(fields, "ra")),
        "ra: the writer lacks the field",
    ),
    "a type was changed": (
        lambda fields: named(fields, "season").update(type="string"),
        "season: the writer has string, the reader expects int",
    ),
    "fluxes are doubles": (
        lambda fields: named(light_curve_fields(fields), "flux").update(
            type={"type": "array", "items": "double"}
        ),
        r"light_curves\[\].flux\[\]: the writer has double, the reader expects float",
    ),
    "times are microseconds": (
        lambda fields: named(fields, "produced_at")["type"].update(logicalType="timestamp-micros"),
        "produced_at: the writer's logical type is timestamp-micros",
    ),
}


@pytest.mark.parametrize(("change", "message"), INCOMPATIBLE.values(), ids=INCOMPATIBLE.keys())
def test_an_incompatible_writer_is_refused_with_every_difference(change, message):
    writer = evolved(change)
    with pytest.raises(BadPacket, match=f"can't be resolved to candidate 1: {message}") as caught:
        decode_candidate(encode_candidate(GOOD), writer.definition)
    assert caught.value.reason == Reason.INCOMPATIBLE_SCHEMA


@pytest.mark.parametrize(
    "writer", [{"type": "record"}, {}, {"type": "record", "name": "Candidate", "fields": [{}]}]
)
def test_an_invalid_writer_is_refused(writer):
    with pytest.raises(BadPacket, match="not valid Avro") as caught:
        decode_candidate(b"", writer)
    assert caught.value.reason == Reason.UNKNOWN_SCHEMA


def test_the_schema_as_a_registry_returns_it_reads_the_same():
    writer = json.loads(json.dumps(CANDIDATE.definition))
    columns_equal(decode_candidate(encode_candidate(GOOD), writer), GOOD)


def test_a_new_readers_defaults_of_every_kind():
    fields = [
        {"name": "x", "type": "int"},
        {"name": "maybe", "type": ["null", "string"], "default": None},
        {"name": "text", "type": "string", "default": "none"},
        {"name": "share", "type": "double", "default": 0},
        {"name": "flag", "type": "boolean", "default": True},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A", "B"]}, "default": "B"},
        {"name": "values", "type": {"type": "array", "items": "float"}, "default": [1.5]},
        {"name": "names", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "counts", "type": {"type": "map", "values": "long"}, "default": {}},
    ]
    writer = {"type": "record", "name": "R", "fields": fields[:1]}
    reader = released({"type": "record", "name": "R", "fields": fields})
    first, second = decode(b"\x02", writer, reader), decode(b"\x04", writer, reader)
    values = first.pop("values")
    assert values.dtype == np.float32
    assert values.tolist() == [1.5]
    assert first == {
        "x": 1,
        "maybe": None,
        "text": "none",
        "share": 0.0,
        "flag": True,
        "kind": "B",
        "names": [],
        "counts": {},
    }
    assert second["names"] is not first["names"]
    assert second["counts"] is not first["counts"]


def test_an_enum_symbol_that_the_reader_lacks_becomes_its_default():
    def enum(*symbols, **more):
        kind = {"type": "enum", "name": "K", "symbols": list(symbols), **more}
        return {
            "type": "record",
            "name": "R",
            "fields": [{"name": "kind", "type": kind}, {"name": "again", "type": "K"}],
        }

    reader = released(enum("OTHER", "A", default="OTHER"))
    assert decode(b"\x00\x02", enum("B", "A"), reader) == {"kind": "OTHER", "again": "A"}


@pytest.mark.parametrize("name", schemas.names())
def test_every_schema_can_be_read_by_an_evolved_version_and_the_reverse(name):
    old = schemas.load(name, 1)
    definition = copy.deepcopy(dict(old.definition))
    definition["fields"].append({"name": "added", "type": "int", "default": 7})
    new = released(definition, version=2)
    for record in samples.sample_records(old):
        as_old = plain(decode(encode(old, record), old.definition, old))
        assert plain(decode(encode(new, {**record, "added": 3}), new.definition, old)) == as_old
        assert plain(decode(encode(old, record), old.definition, new)) == {**as_old, "added": 7}


@pytest.mark.parametrize("name", schemas.names())
def test_decoding_agrees_with_fastavro_on_the_samples(name):
    schema = schemas.load(name, 1)
    for record in samples.sample_records(schema):
        body = encode(schema, record)
        decoded = plain(decode(body, schema.definition, schema))
        assert encode(schema, decoded) == body
        raw = without_logical_types(schema.definition)
        assert decoded == fastavro.schemaless_reader(io.BytesIO(body), raw)


def without_logical_types(schema):
    if isinstance(schema, dict):
        return {key: without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    return [without_logical_types(part) for part in schema] if isinstance(schema, list) else schema


def plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value
