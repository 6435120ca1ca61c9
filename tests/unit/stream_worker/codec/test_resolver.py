from __future__ import annotations

import numpy as np
import pytest
from support.candidates import make_candidate

import schemas
from schemas.wire import frame_confluent, frame_single_object
from stream_worker.codec import (
    CANDIDATE,
    MAX_PACKET_BYTES,
    BadPacket,
    Reason,
    RegistryUnavailable,
    SchemaResolver,
    UnknownSchemaId,
    decode_candidate,
    encode_candidate,
)
from stream_worker.codec.resolver import UNKNOWN_ID_TTL_S

GOOD = make_candidate(np.random.default_rng(5), 5, points=(4, 8))
BODY = encode_candidate(GOOD)
SCORE = schemas.load("score", 1)


class Registry:
    """A registry in memory that counts its questions and can be away."""

    def __init__(self, **definitions):
        self.definitions = {int(key[1:]): value for key, value in definitions.items()}
        self.asked = []
        self.away = False

    def schema(self, schema_id):
        self.asked.append(schema_id)
        if self.away:
            raise RegistryUnavailable("away")
        if schema_id not in self.definitions:
            raise UnknownSchemaId("not here")
        return self.definitions[schema_id]


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def refusal(resolver, packet):
    with pytest.raises(BadPacket) as caught:
        resolver.resolve(packet)
    return caught.value


def test_single_object_encoding_is_resolved_from_the_bundled_schemas():
    writer, body = SchemaResolver("candidate").resolve(frame_single_object(CANDIDATE.fingerprint, BODY))
    assert writer is CANDIDATE.definition
    assert decode_candidate(body, writer).candidate_id == GOOD.candidate_id


def test_confluent_framing_is_resolved_by_the_registry_and_asked_once():
    registry = Registry(_7=dict(CANDIDATE.definition))
    resolver = SchemaResolver("candidate", registry)
    first = resolver.resolve(frame_confluent(7, BODY))
    second = resolver.resolve(frame_confluent(7, BODY))
    assert first[0] is second[0] is registry.definitions[7]
    assert bytes(first[1]) == BODY
    assert registry.asked == [7]


def test_single_object_encoding_needs_no_registry():
    registry = Registry()
    SchemaResolver("candidate", registry).resolve(frame_single_object(CANDIDATE.fingerprint, BODY))
    assert registry.asked == []


@pytest.mark.parametrize("packet", [None, b""])
def test_a_record_without_value_is_refused(packet):
    assert refusal(SchemaResolver("candidate"), packet).reason == Reason.NO_VALUE


@pytest.mark.parametrize("packet", [b"{}", b"\xff" * 100, b"Obj\x01", b"\xc3\x01\x00", b"\x00\x01"])
def test_an_unframed_packet_is_refused(packet):
    error = refusal(SchemaResolver("candidate"), packet)
    assert error.reason == Reason.NOT_FRAMED
    assert packet[:2].hex(" ") in error.message


def test_a_large_packet_is_refused_before_anything_is_read():
    error = refusal(SchemaResolver("candidate"), b"\xff" * (MAX_PACKET_BYTES + 1))
    assert error.reason == Reason.OVERSIZE
    assert "2097153 bytes: expected at most 2097152" in error.message


def test_the_limit_is_inclusive_and_can_be_set():
    packet = frame_single_object(CANDIDATE.fingerprint, BODY)
    SchemaResolver("candidate", max_packet_bytes=len(packet)).resolve(packet)
    small = SchemaResolver("candidate", max_packet_bytes=len(packet) - 1)
    assert refusal(small, packet).reason == Reason.OVERSIZE


def test_an_unknown_fingerprint_is_refused():
    error = refusal(SchemaResolver("candidate"), frame_single_object(0xABCDEF, BODY))
    assert error.reason == Reason.UNKNOWN_SCHEMA
    assert (
        "0000000000abcdef is of no bundled schema: expected a version of lensnet.v1.Candidate"
        in error.message
    )


def test_a_fingerprint_of_another_record_is_refused():
    error = refusal(SchemaResolver("candidate"), frame_single_object(SCORE.fingerprint, BODY))
    assert error.reason == Reason.UNKNOWN_SCHEMA
    assert "is of lensnet.v1.Score: expected a version of lensnet.v1.Candidate" in error.message


def test_a_resolver_can_expect_another_record():
    writer, _ = SchemaResolver("score").resolve(frame_single_object(SCORE.fingerprint, b""))
    assert writer is SCORE.definition


def test_a_schema_id_without_a_registry_is_refused():
    error = refusal(SchemaResolver("candidate"), frame_confluent(7, BODY))
    assert error.reason == Reason.UNKNOWN_SCHEMA
    assert "schema id 7" in error.message
    assert "no registry is configured" in error.message


@pytest.mark.parametrize(
    ("definition", "shown"),
    [
        (dict(SCORE.definition), "lensnet.v1.Score"),
        ({**CANDIDATE.definition, "namespace": "other"}, "other.Candidate"),
        (
            {"type": "record", "name": "other.v1.Candidate", "namespace": "lensnet", "fields": []},
            "other.v1.Candidate",
        ),
        ({"type": "record", "name": "Candidate", "fields": []}, "of Candidate:"),
        ({"type": "enum", "name": "lensnet.v1.Candidate", "symbols": ["A"]}, "no record"),
        ("int", "no record"),
        (["null"], "no record"),
    ],
)
def test_an_id_of_another_schema_is_refused(definition, shown):
    error = refusal(SchemaResolver("candidate", Registry(_7=definition)), frame_confluent(7, BODY))
    assert error.reason == Reason.UNKNOWN_SCHEMA
    assert shown in error.message


def test_a_full_name_in_the_name_is_the_same():
    definition = {**CANDIDATE.definition, "name": "lensnet.v1.Candidate"}
    del definition["namespace"]
    writer, body = SchemaResolver("candidate", Registry(_7=definition)).resolve(frame_confluent(7, BODY))
    assert decode_candidate(body, writer).candidate_id == GOOD.candidate_id


def test_an_unknown_id_is_refused_and_not_asked_for_again_at_once():
    registry, clock = Registry(), Clock()
    resolver = SchemaResolver("candidate", registry, clock=clock)
    for _ in range(3):
        error = refusal(resolver, frame_confluent(9, BODY))
        assert (error.reason, error.message) == (Reason.UNKNOWN_SCHEMA, "schema id 9: not here")
    assert registry.asked == [9]
    clock.now += UNKNOWN_ID_TTL_S
    registry.definitions[9] = dict(CANDIDATE.definition)
    assert resolver.resolve(frame_confluent(9, BODY))[0] is registry.definitions[9]


def test_a_registry_that_is_away_is_never_a_bad_packet():
    registry = Registry(_7=dict(CANDIDATE.definition))
    resolver = SchemaResolver("candidate", registry)
    registry.away = True
    for _ in range(2):
        with pytest.raises(RegistryUnavailable):
            resolver.resolve(frame_confluent(7, BODY))
    registry.away = False
    resolver.resolve(frame_confluent(7, BODY))
    registry.away = True
    resolver.resolve(frame_confluent(7, BODY))
    assert registry.asked == [7, 7, 7]


def test_a_flood_of_unknown_ids_is_remembered_in_bounded_memory():
    resolver = SchemaResolver("candidate", Registry())
    for schema_id in range(3000):
        refusal(resolver, frame_confluent(schema_id, BODY))
    assert len(resolver._unknown_ids) == 1024


def test_many_schemas_are_remembered_in_bounded_memory():
    definitions = {f"_{number}": dict(CANDIDATE.definition) for number in range(1500)}
    resolver = SchemaResolver("candidate", Registry(**definitions))
    for schema_id in range(1500):
        resolver.resolve(frame_confluent(schema_id, BODY))
    assert len(resolver._by_id) == 1024
