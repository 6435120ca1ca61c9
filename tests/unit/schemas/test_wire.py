from __future__ import annotations

import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from schemas.wire import (
    Confluent,
    SingleObject,
    UnframedPacket,
    encode_long,
    frame_confluent,
    frame_single_object,
    unframe,
)

FINGERPRINTS = st.integers(0, 2**64 - 1)
SCHEMA_IDS = st.integers(0, 2**31 - 1)


def test_single_object_encoding_is_little_endian():
    packet = frame_single_object(0x7275D51A3F395C8F, b"\x06")
    assert packet == bytes.fromhex("c301 8f5c393f1ad57572 06")


def test_confluent_framing_is_big_endian():
    assert frame_confluent(0x01020304, b"\x06") == bytes.fromhex("00 01020304 06")


def test_a_framed_candidate_begins_with_its_fingerprint():
    """As Apache Avro for Java prints it, byte by byte from the least significant."""
    packet = frame_single_object(schemas.load("candidate", 1).fingerprint, b"")
    assert packet.hex() == "c301a76409d45c5dfab7"


@given(FINGERPRINTS, st.binary())
def test_single_object_round_trip(fingerprint, body):
    framed = unframe(frame_single_object(fingerprint, body))
    assert framed == SingleObject(fingerprint, memoryview(body))


@given(SCHEMA_IDS, st.binary())
def test_confluent_round_trip(schema_id, body):
    framed = unframe(frame_confluent(schema_id, body))
    assert framed == Confluent(schema_id, memoryview(body))


def test_the_body_is_a_view_and_not_a_copy():
    packet = frame_confluent(1, b"body")
    assert unframe(packet).body.obj is packet


@pytest.mark.parametrize(
    "packet", [b"", b"\xc3", b"\xc3\x01" + bytes(7), b"\x00\x01\x02\x03", b"Obj\x01", b"{}"]
)
def test_anything_else_is_unframed(packet):
    with pytest.raises(UnframedPacket, match=f"packet of {len(packet)} bytes.*expected C3 01.*or 00"):
        unframe(packet)


@given(st.binary(max_size=40))
def test_random_bytes_are_framed_or_refused(packet):
    try:
        framed = unframe(packet)
    except UnframedPacket:
        return
    assert packet.endswith(bytes(framed.body))


@pytest.mark.parametrize("fingerprint", [-1, 2**64])
def test_a_fingerprint_has_64_bits(fingerprint):
    with pytest.raises(ValueError, match="unsigned 64-bit"):
        frame_single_object(fingerprint, b"")


@pytest.mark.parametrize("schema_id", [-1, 2**31])
def test_a_schema_id_has_31_bits(schema_id):
    with pytest.raises(ValueError, match="expected 0 to 2147483647"):
        frame_confluent(schema_id, b"")


@given(st.integers(-(2**63), 2**63 - 1))
def test_varints_are_those_of_fastavro(value):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, "long", value)
    assert encode_long(value) == buffer.getvalue()


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_varints_have_64_bits(value):
    with pytest.raises(ValueError, match="64-bit"):
        encode_long(value)
