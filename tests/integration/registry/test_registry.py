"""Schemas and packets through a real registry, whose compatibility rules are Apache Avro's own."""

from __future__ import annotations

import copy
import io
import uuid

import fastavro
import httpx
import numpy as np
import pytest
from support.candidates import make_candidate

import schemas
from schemas import samples
from schemas.compatibility import incompatibilities
from schemas.wire import frame_confluent
from stream_worker.codec import (
    CANDIDATE,
    BadPacket,
    Reason,
    RegistryUnavailable,
    SchemaResolver,
    UnknownSchemaId,
    candidate_to_record,
    decode,
    decode_candidate,
    encode,
    encode_candidate,
)
from stream_worker.codec.registry import HttpRegistry, RegistrationRefusedError

GOOD = make_candidate(np.random.default_rng(5), 5, points=(4, 8))


@pytest.fixture
def subject():
    return f"test/{uuid.uuid4().hex[:12]}-value"


def field(name, kind, **more):
    return {"name": name, "type": kind, **more}


def evolved(change):
    definition = copy.deepcopy(dict(CANDIDATE.definition))
    change(definition["fields"])
    return definition


def named(fields, name):
    return next(field for field in fields if field["name"] == name)


def demand_full_compatibility(node, subject):
    response = httpx.put(
        f"{node.url}/config/{subject.replace('/', '%2F')}", json={"compatibility": "FULL_TRANSITIVE"}
    )
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("name", schemas.names())
def test_every_schema_is_registered_and_returned_as_it_is(registry, subject, name):
    schema = schemas.load(name, 1)
    schema_id = registry.register(subject, schema.definition)
    assert registry.schema(schema_id) == schema.definition
    assert registry.register(subject, schema.definition) == schema_id
    writer, body = SchemaResolver(name, registry).resolve(
        frame_confluent(schema_id, encode(schema, samples.sample_records(schema)[0]))
    )
    assert set(decode(body, writer, schema)) == {field["name"] for field in schema.definition["fields"]}


def test_a_candidate_by_schema_id(registry, subject):
    schema_id = registry.register(subject, CANDIDATE.definition)
    body = encode_candidate(GOOD)
    writer, received = SchemaResolver("candidate", registry).resolve(frame_confluent(schema_id, body))
    assert encode_candidate(decode_candidate(received, writer)) == body


def test_an_unknown_id_is_a_bad_packet(registry):
    with pytest.raises(UnknownSchemaId):
        registry.schema(2_000_000_000)
    with pytest.raises(BadPacket, match=r"schema id 2000000000: .* no schema of this id") as caught:
        SchemaResolver("candidate", registry).resolve(frame_confluent(2_000_000_000, b""))
    assert caught.value.reason == Reason.UNKNOWN_SCHEMA


def test_another_records_id_is_a_bad_packet(registry, subject):
    schema_id = registry.register(subject, schemas.load("score", 1).definition)
    with pytest.raises(BadPacket, match=r"lensnet\.v1\.Score: expected a version of lensnet.v1.Candidate"):
        SchemaResolver("candidate", registry).resolve(frame_confluent(schema_id, encode_candidate(GOOD)))


def test_a_schema_that_is_not_avro_is_a_bad_packet(registry, registry_node, subject):
    answer = httpx.post(
        f"{registry_node.url}/subjects/{subject.replace('/', '%2F')}/versions",
        json={"schemaType": "PROTOBUF", "schema": 'syntax = "proto3"; message M { int32 x = 1; }'},
    )
    assert answer.status_code == 200, answer.text
    with pytest.raises(UnknownSchemaId, match="type PROTOBUF"):
        registry.schema(answer.json()["id"])


def test_an_address_beside_the_registrys_never_makes_a_packet_bad(registry_node):
    """The server is there and answers 404, but not as a registry."""
    with HttpRegistry(registry_node.url.replace("ccompat", "elsewhere")) as wrong:
        with pytest.raises(RegistryUnavailable, match="404"):
            wrong.schema(1)
        with pytest.raises(RegistryUnavailable, match="404"):
            wrong.check()


def test_a_newer_producer_is_read_by_this_reader(registry, registry_node, subject):
    newer = evolved(lambda fields: fields.append(field("filter", ["null", "string"], default=None)))
    registry.register(subject, CANDIDATE.definition)
    demand_full_compatibility(registry_node, subject)
    schema_id = registry.register(subject, newer)
    record = {**candidate_to_record(GOOD), "filter": "I"}
    packet = frame_confluent(schema_id, written(newer, record))
    writer, body = SchemaResolver("candidate", registry).resolve(packet)
    assert writer == newer
    assert encode_candidate(decode_candidate(body, writer)) == encode_candidate(GOOD)


def written(definition, record):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, definition, record)
    return buffer.getvalue()


EVOLUTIONS = {
    "a nullable field more": lambda f: f.append(field("filter", ["null", "string"], default=None)),
    "a field with a default more": lambda f: f.append(field("n", "int", default=0)),
    "a field without default more": lambda f: f.append(field("n", "int")),
    "a nullable field less": lambda f: f.remove(named(f, "chip")),
    "a field less": lambda f: f.remove(named(f, "ra")),
    "a field renamed": lambda f: named(f, "ra").update(name="right_ascension"),
    "a type changed": lambda f: named(f, "season").update(type="string"),
    "int to long": lambda f: named(f, "season").update(type="long"),
    "a symbol more": lambda f: named(f, "tense")["type"]["symbols"].append("SIMULATED"),
    "a symbol less": lambda f: named(f, "tense")["type"]["symbols"].pop(),
    "no longer nullable": lambda f: named(f, "chip").update(type="string", default=""),
    "now nullable": lambda f: named(f, "run_id").update(type=["null", "string"], default=None),
    "another branch": lambda f: named(f, "chip")["type"].append("int"),
    "arrays of doubles": lambda f: named(f, "light_curves")["type"]["items"]["fields"][3].update(
        type={"type": "array", "items": "double"}
    ),
    "a nested field more": lambda f: named(f, "alertfinder")["type"]["fields"].append(
        field("chi2", "double")
    ),
    "a nested record renamed": lambda f: named(f, "alertfinder")["type"].update(name="Finder"),
    "documentation": lambda f: f[0].update(doc="Another text."),
    "the order of fields": lambda f: f.reverse(),
}
COMPATIBLE = {
    "a nullable field more",
    "a field with a default more",
    "a nullable field less",
    "documentation",
    "the order of fields",
}


@pytest.mark.parametrize("name", EVOLUTIONS)
def test_our_checker_agrees_with_the_registrys(registry, registry_node, subject, name):
    new = evolved(EVOLUTIONS[name])
    registry.register(subject, CANDIDATE.definition)
    demand_full_compatibility(registry_node, subject)
    ours = incompatibilities(new, CANDIDATE.definition) + incompatibilities(CANDIDATE.definition, new)
    if name in COMPATIBLE:
        assert ours == []
        registry.register(subject, new)
    else:
        assert ours
        with pytest.raises(RegistrationRefusedError, match=subject):
            registry.register(subject, new)


def test_what_is_no_schema_is_refused(registry, subject):
    with pytest.raises(RegistrationRefusedError):
        registry.register(subject, {"type": "record", "fields": "none"})


def test_a_registry_that_dies_stops_new_ids_and_not_known_ones(own_registry_node):
    with HttpRegistry(own_registry_node.url, timeout_s=30) as registry:
        schema_id = registry.register("candidates-value", CANDIDATE.definition)
        resolver = SchemaResolver("candidate", registry)
        resolver.resolve(frame_confluent(schema_id, b""))
        own_registry_node.process.kill()
        own_registry_node.process.wait()
        resolver.resolve(frame_confluent(schema_id, b""))
        with pytest.raises(RegistryUnavailable):
            resolver.resolve(frame_confluent(schema_id + 1, b""))
        with pytest.raises(RegistryUnavailable):
            registry.register("scores-value", CANDIDATE.definition)
