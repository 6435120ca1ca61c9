"""Bytes that lie: each is refused with its reason and place, before memory is spent on it."""

from __future__ import annotations

import gc
import struct
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.candidates import make_candidate

from schemas.wire import encode_long
from stream_worker.codec import (
    CANDIDATE,
    BadPacket,
    Reason,
    compile_decoder,
    decode_candidate,
    encode_candidate,
)
from stream_worker.codec.decoder import MAX_DEPTH, MAX_ITEMS

CANDIDATE_BODY = encode_candidate(make_candidate(np.random.default_rng(1), 1, points=(3, 6)))
READER = CANDIDATE.definition


def array(items):
    return {"type": "array", "items": items}


def record(*fields):
    return {
        "type": "record",
        "name": "R",
        "fields": [{"name": name, "type": kind} for name, kind in fields],
    }


ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
MAP = {"type": "map", "values": "int"}
NESTED = record(("list", array(record(("m", {"type": "map", "values": "string"})) | {"name": "S"})))
MALFORMED, TRUNCATED, TOO_LONG = Reason.MALFORMED_AVRO, Reason.TRUNCATED, Reason.DECLARED_TOO_LONG
LIES = {
    "no bytes": ("int", b"", TRUNCATED, "byte 0: the bytes end inside a variable-length integer"),
    "varint without end": ("int", b"\x80", TRUNCATED, "byte 1: the bytes end inside"),
    "int of six bytes": (
        "int",
        b"\x80" * 5 + b"\x00",
        MALFORMED,
        "byte 0: .* after 5 bytes: expected at most 5",
    ),
    "int of 33 bits": ("int", encode_long(2**31), MALFORMED, "expected at most 32 bits"),
    "long of eleven bytes": ("long", b"\x80" * 10 + b"\x00", MALFORMED, "after 10 bytes"),
    "long of 65 bits": ("long", b"\xff" * 9 + b"\x02", MALFORMED, "expected at most 64 bits"),
    "boolean 2": ("boolean", b"\x02", MALFORMED, "byte 0: boolean is byte 2: expected 0 or 1"),
    "no boolean": ("boolean", b"", TRUNCATED, "boolean needs 1 bytes: 0 remain"),
    "short float": ("float", b"\0" * 3, TRUNCATED, "float needs 4 bytes: 3 remain"),
    "short double": ("double", b"\0" * 7, TRUNCATED, "double needs 8 bytes: 7 remain"),
    "short fixed": ({"type": "fixed", "name": "F", "size": 4}, b"\0", TRUNCATED, "fixed needs 4 bytes"),
    "short string": ("string", b"\x08ab", TRUNCATED, "byte 1: string needs 4 bytes: 2 remain"),
    "negative string": ("string", b"\x01", MALFORMED, "byte 0: string has length -1: expected zero or more"),
    "huge string": ("string", encode_long(2**40), TOO_LONG, f"declares {2**40} bytes or more"),
    "huge bytes": ("bytes", encode_long(2**62), TOO_LONG, "bytes declares"),
    "negative bytes": ("bytes", b"\x03", MALFORMED, "bytes has length -2"),
    "not UTF-8": ("string", b"\x06ab\xff", MALFORMED, "byte 3: string holds byte 0xff: expected UTF-8"),
    "surrogate": ("string", b"\x06\xed\xa0\x80", MALFORMED, "byte 1: string holds byte 0xed"),
    "enum beyond": (ENUM, b"\x04", MALFORMED, "byte 0: enum index 2: expected 0 to 1"),
    "enum negative": (ENUM, b"\x01", MALFORMED, "enum index -1: expected 0 to 1"),
    "branch beyond": (["null", "int"], b"\x04", MALFORMED, "union branch 2: expected 0 to 1"),
    "branch negative": (["null", "int"], b"\x01", MALFORMED, "union branch -1"),
    "huge double array": (
        array("double"),
        encode_long(2**40),
        TOO_LONG,
        "array or map block of 1099511627776",
    ),
    "huge negative double array": (
        array("double"),
        encode_long(-(2**40)) + encode_long(8) + b"\0" * 8,
        TOO_LONG,
        "block of 1099511627776 items declares 8796093022208 bytes",
    ),
    "smallest count": (
        array("float"),
        encode_long(-(2**63)) + b"\x00",
        TOO_LONG,
        "block of 9223372036854775808",
    ),
    "short float array": (
        array("float"),
        b"\x06" + b"\0" * 11,
        TRUNCATED,
        "3 items needs 12 bytes: 11 remain",
    ),
    "unended float array": (array("float"), b"\x02" + b"\0" * 4, TRUNCATED, "byte 5: the bytes end"),
    "huge second block": (
        array("float"),
        b"\x02" + b"\0" * 4 + encode_long(2**33) + b"\0" * 4,
        TOO_LONG,
        "block of 8589934592 items",
    ),
    "block of negative size": (array("float"), b"\x01\x01", MALFORMED, "block has size -1"),
    "block of huge size": (array("float"), b"\x01" + encode_long(2**40), TOO_LONG, "block declares"),
    "block size beyond the end": (array("float"), b"\x01\x0a" + b"\0" * 4, TRUNCATED, "block needs 5 bytes"),
    "numeric block of wrong size": (
        array("float"),
        b"\x01\x0a" + b"\0" * 6,
        MALFORMED,
        "expected byte 7 by its",
    ),
    "block of wrong size": (
        array("int"),
        b"\x01\x04\x02\x00\x00",
        MALFORMED,
        "expected byte 4 by its declared",
    ),
    "map block of wrong size": (
        MAP,
        b"\x01\x08\x02a\x02\x00\x00",
        MALFORMED,
        "expected byte 6 by its declared",
    ),
    "huge record array": (array(record(("x", "int"))), encode_long(2**30), TOO_LONG, "block of 1073741824"),
    "too many nulls": (array("null"), encode_long(2**40) + b"\x00", TOO_LONG, "expected at most 65536 more"),
    "huge map": (MAP, encode_long(2**40), TOO_LONG, "block of 1099511627776 items"),
    "more items than bytes": (
        array("string"),
        b"\x08" + b"\0" * 3,
        TRUNCATED,
        "4 items needs 4 bytes: 3 remain",
    ),
    "more entries than bytes": (MAP, b"\x04" + b"\0" * 3, TRUNCATED, "2 items needs 4 bytes: 3 remain"),
    "deep inside": (
        NESTED,
        b"\x04\x00\x02\x02k\x01",
        MALFORMED,
        r"list\[1\]\.m\['k'\] at byte 5: string has length -1: expected zero or more",
    ),
}


@pytest.mark.parametrize(("schema", "body", "reason", "message"), LIES.values(), ids=LIES.keys())
def test_lies_are_refused_with_reason_and_place(schema, body, reason, message):
    decode = compile_decoder(schema)
    with pytest.raises(BadPacket, match=message) as caught:
        decode(body)
    assert caught.value.reason == reason


@pytest.mark.parametrize(("schema", "body"), [lie[:2] for lie in LIES.values()], ids=LIES.keys())
def test_lies_cost_no_memory(schema, body):
    decode = compile_decoder(schema)
    assert peak(lambda: refused(decode, body)) < 64_000


def test_the_items_of_a_packet_are_limited_in_sum():
    decode = compile_decoder(array(array("null")))
    half = encode_long(MAX_ITEMS // 2) + b"\x00"
    assert len(decode(encode_long(1) + half + b"\x00")[0]) == MAX_ITEMS // 2
    with pytest.raises(BadPacket, match="more in this packet"):
        decode(encode_long(2) + half + half + b"\x00")


def test_a_map_counts_its_entries_too():
    with pytest.raises(BadPacket, match="expected at most 2 more"):
        compile_decoder(MAP, max_items=2)(b"\x06\x02a\x00\x02b\x00\x02c\x00\x00")


def test_records_within_records_are_limited():
    node = record(("next", ["null", "R"]))
    decode = compile_decoder(node)
    assert decode(b"\x02" * (MAX_DEPTH - 1) + b"\x00")
    with pytest.raises(BadPacket, match="nested deeper than 32") as caught:
        decode(b"\x02" * MAX_DEPTH + b"\x00")
    assert caught.value.reason == Reason.MALFORMED_AVRO
    with pytest.raises(BadPacket, match="nested deeper"):
        decode(b"\x02" * 2**20)


def test_many_blocks_of_one_value_do_not_multiply_memory():
    """2 MiB in blocks of one float each: the joined copy, not an array per block."""
    body = (b"\x02" + struct.pack("<f", 1.0)) * (2**21 // 5) + b"\x00"
    decode = compile_decoder(array("float"))
    assert peak(lambda: decode(body)) < 4 * len(body)


def test_the_worst_candidate_of_2_mib_stays_small():
    """As many light curves as fit, each of nine bytes: refused by their number."""
    empty = b"".join((b"\x00" * 2, b"\x00" * 3, b"\x00" * 4))
    head = encode_candidate(replace(make_candidate(np.random.default_rng(2), 2), light_curves=()))[:-7]
    for n, reason in ((2**21 // 9, Reason.DECLARED_TOO_LONG), (MAX_ITEMS, Reason.TOO_MANY_LIGHT_CURVES)):
        body = head + encode_long(n) + empty * n + b"\x00" + encode_long(1_620_632_800_000)
        assert len(body) < 2**21 + 1000
        with pytest.raises(BadPacket) as caught:
            decode_candidate(body, READER)
        assert caught.value.reason == reason
        assert peak(lambda body=body: refused(lambda b: decode_candidate(b, READER), body)) < 40 * 2**20


def test_every_truncation_of_a_candidate_is_refused():
    for length in range(len(CANDIDATE_BODY)):
        with pytest.raises(BadPacket) as caught:
            decode_candidate(CANDIDATE_BODY[:length], READER)
        assert caught.value.reason in (Reason.TRUNCATED, Reason.MALFORMED_AVRO), length


@settings(max_examples=500)
@given(st.lists(st.tuples(st.integers(0, len(CANDIDATE_BODY) - 1), st.integers(0, 255)), min_size=1))
def test_changed_bytes_raise_nothing_else(changes):
    body = bytearray(CANDIDATE_BODY)
    for position, byte in changes:
        body[position] = byte
    decoded_or_refused(bytes(body))


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_else(body):
    decoded_or_refused(body)


def test_changed_bytes_cost_no_memory():
    rng = np.random.default_rng(7)
    bodies = []
    for _ in range(300):
        body = bytearray(CANDIDATE_BODY)
        for position in rng.integers(0, len(body), 3):
            body[position] = rng.integers(0, 256)
        bodies.append(bytes(body))

    def decode_all():
        for body in bodies:
            decoded_or_refused(body)

    assert peak(decode_all) < 1_000_000


def decoded_or_refused(body):
    try:
        decode_candidate(body, READER)
    except BadPacket as error:
        refusal = error
    else:
        return
    assert refusal.reason in Reason
    assert refusal.message


def refused(decode, body):
    with pytest.raises(BadPacket):
        decode(body)


def peak(action):
    """Most bytes that Python and numpy held at once during the action, beyond those before it."""
    gc.collect()
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
