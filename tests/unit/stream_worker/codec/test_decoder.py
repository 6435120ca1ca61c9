"""The decoder against fastavro, and against blocks that fastavro doesn't write."""

from __future__ import annotations

import io
import math

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.wire import encode_long
from stream_worker.codec import BadPacket, Reason, compile_decoder
from stream_worker.codec.decoder import InvalidSchemaError, compile_decoder_at

NUMBERS = np.array([1.5, -2.25, math.nan, math.inf, 0.0, 1e-40])


def record(*fields, name="R"):
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": field_name, "type": kind} for field_name, kind in fields],
    }


def array(items):
    return {"type": "array", "items": items}


EVERYTHING = record(
    ("null", "null"),
    ("boolean", "boolean"),
    ("int", "int"),
    ("long", "long"),
    ("float", "float"),
    ("double", "double"),
    ("bytes", "bytes"),
    ("string", "string"),
    ("fixed", {"type": "fixed", "name": "F", "size": 3}),
    ("enum", {"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}),
    ("strings", array("string")),
    ("longs", array("long")),
    ("floats", array("float")),
    ("doubles", array({"type": "double"})),
    ("arrays", array(array("int"))),
    ("map", {"type": "map", "values": ["null", "double"]}),
    ("union", ["null", "long", "string", array("double")]),
    ("inner", record(("x", "int"), ("e", "E"), name="Inner")),
    ("inners", array("Inner")),
    ("maybe", ["null", "Inner"]),
    ("when", {"type": "long", "logicalType": "timestamp-millis"}),
    ("id", {"type": "string", "logicalType": "uuid"}),
)


def longs(bits=64):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


INNERS = st.fixed_dictionaries({"x": longs(32), "e": st.sampled_from("ABC")})
RECORDS = st.fixed_dictionaries(
    {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": longs(32),
        "long": longs(),
        "float": st.floats(width=32),
        "double": st.floats(),
        "bytes": st.binary(),
        "string": st.text(),
        "fixed": st.binary(min_size=3, max_size=3),
        "enum": st.sampled_from("ABC"),
        "strings": st.lists(st.text()),
        "longs": st.lists(longs()),
        "floats": st.lists(st.floats(width=32)),
        "doubles": st.lists(st.floats()),
        "arrays": st.lists(st.lists(longs(32))),
        "map": st.dictionaries(st.text(), st.none() | st.floats()),
        "union": st.none() | longs() | st.text() | st.lists(st.floats()),
        "inner": INNERS,
        "inners": st.lists(INNERS),
        "maybe": st.none() | INNERS,
        "when": longs(),
        "id": st.uuids().map(str),
    }
)


def raw(schema):
    """The schema without logical types, so that fastavro leaves their values alone."""
    if isinstance(schema, dict):
        return {key: raw(value) for key, value in schema.items() if key != "logicalType"}
    return [raw(part) for part in schema] if isinstance(schema, list) else schema


decode_everything = compile_decoder(EVERYTHING)
PARSED = fastavro.parse_schema(raw(EVERYTHING))


def written(schema, value):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, PARSED if schema is EVERYTHING else raw(schema), value)
    return buffer.getvalue()


def plain(value):
    """Numpy arrays as lists, and NaN as something that equals itself."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return "nan" if isinstance(value, float) and math.isnan(value) else value


@given(RECORDS)
def test_decodes_as_fastavro_does(value):
    body = written(EVERYTHING, value)
    expected = fastavro.schemaless_reader(io.BytesIO(body), PARSED)
    assert plain(decode_everything(body)) == plain(expected) == plain(value)


@given(RECORDS, st.data())
def test_every_truncation_is_refused(value, data):
    body = written(EVERYTHING, value)
    length = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(BadPacket) as caught:
        decode_everything(body[:length])
    assert caught.value.reason in (Reason.TRUNCATED, Reason.MALFORMED_AVRO)


@given(RECORDS, st.binary(min_size=1))
def test_bytes_after_the_value_are_refused(value, more):
    body = written(EVERYTHING, value)
    with pytest.raises(BadPacket, match=f"byte {len(body)}: {len(more)} bytes follow") as caught:
        decode_everything(body + more)
    assert caught.value.reason == Reason.MALFORMED_AVRO


@pytest.mark.parametrize(("items", "dtype"), [("float", np.float32), ("double", np.float64)])
def test_an_array_of_one_block_is_a_view_of_the_packet(items, dtype):
    body = written(array(items), NUMBERS.tolist())
    values = compile_decoder(array(items))(body)
    assert values.dtype == dtype
    np.testing.assert_array_equal(values, NUMBERS.astype(dtype))
    assert np.shares_memory(values, np.frombuffer(body, np.uint8))
    assert not values.flags.writeable


@pytest.mark.parametrize("items", ["float", "double"])
def test_a_memoryview_is_viewed_too(items):
    body = b"#" + written(array(items), NUMBERS.tolist())
    values = compile_decoder(array(items))(memoryview(body)[1:])
    np.testing.assert_array_equal(values, NUMBERS.astype(values.dtype))
    assert np.shares_memory(values, np.frombuffer(body, np.uint8))


@pytest.mark.parametrize(("items", "dtype"), [("float", np.float32), ("double", np.float64)])
def test_an_empty_array_has_its_type(items, dtype):
    values = compile_decoder(array(items))(b"\x00")
    assert values.shape == (0,)
    assert values.dtype == dtype


def blocks(parts, negative):
    """Encode lists of encoded items as blocks, with or without the size of the block."""
    encoded = b""
    for part in parts:
        content = b"".join(part)
        if negative:
            encoded += encode_long(-len(part)) + encode_long(len(content)) + content
        else:
            encoded += encode_long(len(part)) + content
    return encoded + b"\x00"


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("splits", [(), (1,), (2, 4), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize(("items", "dtype"), [("float", "<f4"), ("double", "<f8")])
def test_numeric_blocks_are_joined(items, dtype, splits, negative):
    values = NUMBERS.astype(dtype)
    parts = [[value.tobytes() for value in part] for part in np.split(values, splits)]
    body = blocks(parts, negative)
    assert plain(fastavro.schemaless_reader(io.BytesIO(body), array(items))) == plain(values)
    decoded = compile_decoder(array(items))(body)
    np.testing.assert_array_equal(decoded, values)
    assert not decoded.flags.writeable


@given(st.lists(st.lists(st.text(), min_size=1)), st.booleans())
def test_blocks_of_an_array_of_strings(parts, negative):
    encoded = [[written("string", text) for text in part] for part in parts]
    body = blocks(encoded, negative)
    assert compile_decoder(array("string"))(body) == [text for part in parts for text in part]


@given(st.lists(st.dictionaries(st.text(), longs(), min_size=1)), st.booleans())
def test_blocks_of_a_map(parts, negative):
    encoded = [[written("string", key) + encode_long(value) for key, value in part.items()] for part in parts]
    body = blocks(encoded, negative)
    expected = {key: value for part in parts for key, value in part.items()}
    assert compile_decoder({"type": "map", "values": "long"})(body) == expected


def test_a_fastavro_container_block_of_many_records_is_decoded_in_turn():
    body = b"".join(written("string", text) for text in ("a", "", "ü"))
    decode_at = compile_decoder_at("string")
    position, texts = 0, []
    while position < len(body):
        text, position = decode_at(body, position)
        texts.append(text)
    assert texts == ["a", "", "ü"]


def test_named_types_are_found_by_full_and_by_short_name():
    schema = {
        "type": "record",
        "name": "Outer",
        "namespace": "a.b",
        "fields": [
            {"name": "x", "type": {"type": "enum", "name": "E", "symbols": ["P", "Q"]}},
            {"name": "y", "type": "E"},
            {"name": "z", "type": ["null", "a.b.E"]},
        ],
    }
    assert compile_decoder(schema)(b"\x00\x02\x02\x02") == {"x": "P", "y": "Q", "z": "Q"}


def test_a_type_may_contain_itself():
    node = record(("value", "int"), ("next", ["null", "R"]))
    body = written(node, {"value": 1, "next": {"value": 2, "next": None}})
    assert compile_decoder(node)(body) == {"value": 1, "next": {"value": 2, "next": None}}


INVALID_SCHEMAS = {
    "no schema": None,
    "no name": {"type": "record", "fields": []},
    "unknown type": record(("x", "decimal")),
    "empty union": record(("x", [])),
    "a number": 3,
    "a list of numbers": [3],
    "no items": {"type": "array"},
    "fixed without size": {"type": "fixed", "name": "F"},
    "symbol twice": {"type": "enum", "name": "E", "symbols": ["A", "A"]},
}


@pytest.mark.parametrize("schema", INVALID_SCHEMAS.values(), ids=INVALID_SCHEMAS.keys())
def test_invalid_schemas_are_refused(schema):
    with pytest.raises(InvalidSchemaError):
        compile_decoder(schema)


@pytest.mark.parametrize("depth", [40, 500, 5000])
def test_a_schema_nested_too_deep_is_refused(depth):
    schema = "int"
    for _ in range(depth):
        schema = array(schema)
    with pytest.raises(InvalidSchemaError, match="levels deep"):
        compile_decoder(schema)
