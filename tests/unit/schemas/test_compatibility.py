from __future__ import annotations

import copy
import io

import fastavro
import pytest
from fastavro.read import SchemaResolutionError

import schemas
from schemas import samples
from schemas.compatibility import incompatibilities


def record(*fields, name="R"):
    return {"type": "record", "name": name, "namespace": "n", "fields": list(fields)}


def field(name, kind, **more):
    return {"name": name, "type": kind, **more}


def enum(*symbols, **more):
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def millis(unit):
    return {"type": "long", "logicalType": f"timestamp-{unit}"}


def fixed(size):
    return {"type": "fixed", "name": "F", "size": size}


INNER = record(field("x", "int"), name="Inner")
WRONG_EVOLUTIONS = {
    "a reader's new field has no default": (
        record(field("x", "int"), field("y", "int")),
        record(field("x", "int")),
        "y: the writer lacks the field and the reader has no default for it",
    ),
    "a field was renamed": (
        record(field("x", "int")),
        record(field("z", "int")),
        "x: the writer lacks the field",
    ),
    "a type was changed": (
        record(field("x", "int")),
        record(field("x", "string")),
        "x: the writer has string, the reader expects int",
    ),
    "a number was demoted": (
        record(field("x", "float")),
        record(field("x", "double")),
        "x: the writer has double, the reader expects float",
    ),
    "the items of an array were demoted": (
        record(field("x", {"type": "array", "items": "float"})),
        record(field("x", {"type": "array", "items": "double"})),
        "x[]: the writer has double, the reader expects float",
    ),
    "the values of a map were changed": (
        record(field("x", {"type": "map", "values": "int"})),
        record(field("x", {"type": "map", "values": "string"})),
        "x[]: the writer has string, the reader expects int",
    ),
    "an enum symbol was added": (
        record(field("x", enum("A", "B"))),
        record(field("x", enum("A", "B", "C"))),
        "x: the writer's enum has C, the reader expects one of A, B",
    ),
    "an enum symbol was removed": (
        record(field("x", enum("A"))),
        record(field("x", enum("A", "B"))),
        "x: the writer's enum has B, the reader expects one of A",
    ),
    "an enum was renamed": (
        record(field("x", enum("A"))),
        record(field("x", {**enum("A"), "name": "G"})),
        "x: the writer has enum n.G, the reader expects enum n.E",
    ),
    "a union lost a branch": (
        record(field("x", ["null", "int"])),
        record(field("x", ["null", "int", "string"])),
        "x: the writer has string, the reader expects one of null, int",
    ),
    "a field is no longer nullable": (
        record(field("x", "int")),
        record(field("x", ["null", "int"])),
        "x: the writer has null, the reader expects int",
    ),
    "a nullable field was changed within": (
        record(field("x", ["null", {"type": "array", "items": "float"}])),
        record(field("x", ["null", {"type": "array", "items": "double"}])),
        "x[]: the writer has double, the reader expects float",
    ),
    "a field of a nested record has no default": (
        record(field("inner", record(field("x", "int"), field("y", "int"), name="Inner"))),
        record(field("inner", INNER)),
        "inner.y: the writer lacks the field",
    ),
    "a nested record was renamed": (
        record(field("inner", INNER)),
        record(field("inner", record(field("x", "int"), name="Other"))),
        "inner: the writer has record n.Other, the reader expects record n.Inner",
    ),
    "a fixed grew": (
        record(field("x", fixed(4))),
        record(field("x", fixed(8))),
        "x: the writer's fixed has 8 bytes, the reader expects 4",
    ),
    "milliseconds became microseconds": (
        record(field("x", millis("millis"))),
        record(field("x", millis("micros"))),
        "x: the writer's logical type is timestamp-micros, the reader expects timestamp-millis",
    ),
    "the record was renamed": (
        record(field("x", "int")),
        record(field("x", "int"), name="S"),
        "the record: the writer has record n.S, the reader expects record n.R",
    ),
    "the namespace was changed": (
        record(field("x", "int")),
        {**record(field("x", "int")), "namespace": "m"},
        "the record: the writer has record m.R, the reader expects record n.R",
    ),
}
RIGHT_EVOLUTIONS = {
    "nothing": (record(field("x", "int")), record(field("x", "int"))),
    "a new field has a default": (
        record(field("x", "int"), field("y", "int", default=3)),
        record(field("x", "int")),
    ),
    "the writer has a field more": (
        record(field("x", "int")),
        record(field("x", "int"), field("y", "bytes")),
    ),
    "the order of fields": (
        record(field("x", "int"), field("y", "long")),
        record(field("y", "long"), field("x", "int")),
    ),
    "promotions": (
        record(field("a", "long"), field("b", "double"), field("c", "double"), field("d", "bytes")),
        record(field("a", "int"), field("b", "int"), field("c", "float"), field("d", "string")),
    ),
    "a field became nullable": (record(field("x", ["null", "int"])), record(field("x", "int"))),
    "a promotion into a union": (record(field("x", ["null", "double"])), record(field("x", "float"))),
    "an enum symbol was added and the reader has a default": (
        record(field("x", enum("A", "B", default="A"))),
        record(field("x", enum("A", "C"))),
    ),
    "the reader knows a symbol more": (record(field("x", enum("A", "B"))), record(field("x", enum("A")))),
    "documentation": (record(field("x", "int", doc="An x.")), record(field("x", "int"))),
    "a logical type was added": (record(field("x", millis("millis"))), record(field("x", "long"))),
    "a type is named twice": (
        record(field("a", INNER), field("b", "n.Inner")),
        record(field("a", INNER), field("b", "n.Inner")),
    ),
}


@pytest.mark.parametrize(
    ("reader", "writer", "message"), WRONG_EVOLUTIONS.values(), ids=WRONG_EVOLUTIONS.keys()
)
def test_wrong_evolutions_are_found(reader, writer, message):
    faults = incompatibilities(reader, writer)
    assert len(faults) == 1
    assert faults[0].startswith(message)


@pytest.mark.parametrize(("reader", "writer"), RIGHT_EVOLUTIONS.values(), ids=RIGHT_EVOLUTIONS.keys())
def test_right_evolutions_pass(reader, writer):
    assert incompatibilities(reader, writer) == []


def test_every_fault_is_listed():
    reader = record(field("a", "int"), field("b", "string"), field("c", enum("A")))
    writer = record(field("a", "string"), field("c", enum("B")))
    assert [fault.split(":")[0] for fault in incompatibilities(reader, writer)] == ["a", "b", "c"]


def test_a_type_that_contains_itself_is_compared_once():
    node = record(field("next", ["null", "n.R"]), field("value", "int"))
    assert incompatibilities(node, copy.deepcopy(node)) == []
    changed = copy.deepcopy(node)
    changed["fields"][1]["type"] = "string"
    assert len(incompatibilities(node, changed)) == 1


def evolved(schema):
    """The next version of a schema: a nullable field and a field with a default more, docs changed."""
    definition = copy.deepcopy(dict(schema.definition))
    definition["doc"] = "Evolved."
    definition["fields"] += [
        field("filter", ["null", "string"], default=None, doc="New."),
        field("priority", "int", default=5, doc="New."),
    ]
    return definition


@pytest.mark.parametrize("name", schemas.names())
def test_an_evolved_schema_exchanges_records_with_the_released_one_in_both_directions(name):
    released = schemas.load(name, schemas.versions(name)[-1])
    old, new = dict(released.definition), evolved(released)
    assert incompatibilities(old, new) == []
    assert incompatibilities(new, old) == []
    for sample in samples.sample_records(released):
        read_by_old = exchanged({**sample, "filter": "I", "priority": 9}, new, old)
        assert read_by_old == exchanged(sample, old, old)
        read_by_new = exchanged(sample, old, new)
        assert read_by_new == {**read_by_old, "filter": None, "priority": 5}


@pytest.mark.parametrize("name", schemas.names())
def test_dropping_or_demanding_a_field_is_found_in_the_released_schemas(name):
    released = schemas.load(name, schemas.versions(name)[-1])
    old = dict(released.definition)
    without = {**old, "fields": old["fields"][1:]}
    first = old["fields"][0]["name"]
    assert incompatibilities(old, without) == [
        f"{first}: the writer lacks the field and the reader has no default for it"
    ]
    assert incompatibilities(without, old) == []
    demanding = {**old, "fields": [*old["fields"], field("filter", "string")]}
    assert incompatibilities(old, demanding) == []
    assert len(incompatibilities(demanding, old)) == 1


FASTAVRO_IS_LENIENT = {  # it matches names without their namespace, and gives integers as they are
    "milliseconds became microseconds",
    "the namespace was changed",
}


@pytest.mark.parametrize("name", sorted(WRONG_EVOLUTIONS.keys() - FASTAVRO_IS_LENIENT))
def test_another_reader_fails_too_on_some_record(name):
    reader, writer, _ = WRONG_EVOLUTIONS[name]
    value = hardest(writer)
    if name == "a field is no longer nullable":
        value["x"] = None
    with pytest.raises(SchemaResolutionError):
        exchanged(value, writer, reader)


PRIMITIVES = {"int": 1, "long": 2, "float": 1.5, "double": 1e300, "string": "s", "bytes": b"b"}


def hardest(kind):
    """A value of the last branch or symbol, which is where the cases above differ."""
    if isinstance(kind, list):
        return hardest(kind[-1])
    if isinstance(kind, str):
        return PRIMITIVES[kind]
    match kind["type"]:
        case "array":
            return [hardest(kind["items"])]
        case "map":
            return {"k": hardest(kind["values"])}
        case "enum":
            return kind["symbols"][-1]
        case "fixed":
            return bytes(kind["size"])
        case "record":
            return {f["name"]: hardest(f["type"]) for f in kind["fields"]}
    return PRIMITIVES[kind["type"]]


def exchanged(value, writer, reader):
    """What fastavro reads as ``reader`` of what it wrote as ``writer``."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, writer, value, strict=True)
    buffer.seek(0)
    return fastavro.schemaless_reader(buffer, writer, reader)
