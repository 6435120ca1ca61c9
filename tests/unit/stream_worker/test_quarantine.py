from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_worker.codec import SchemaResolver, decode
from stream_worker.framing import single_object
from stream_worker.kafka.records import SourceRecord
from stream_worker.outputs import OutputWriter
from stream_worker.quarantine import MAX_HEADER_BYTES, QUARANTINE_SCHEMA, Quarantine

QUARANTINE = Quarantine(OutputWriter(single_object), "quarantine", "score", "worker-1", "0.1", raw_limit=1000)


def read(output):
    writer, body = SchemaResolver("quarantine", max_packet_bytes=2**26).resolve(output.value)
    return decode(body, writer, QUARANTINE_SCHEMA)


@given(raw=st.binary(max_size=3000), message=st.text(), key=st.none() | st.binary(max_size=50))
def test_nothing_is_lost_that_fits_and_the_rest_can_be_told(raw, message, key):
    source = SourceRecord("c", 3, 42, key, raw, (("candidate-id", b"abc"),), 1234)
    entry = read(QUARANTINE.record(source, "truncated", message, 99))
    assert entry["raw"] == raw[:1000]
    assert entry["raw_complete"] == (len(raw) <= 1000)
    assert entry["raw_length"] == len(raw)
    assert entry["raw_sha256"] == hashlib.sha256(raw).hexdigest()
    assert (entry["topic"], entry["partition"], entry["offset"]) == ("c", 3, 42)
    assert entry["candidate_id"] == "abc"
    assert entry["key"] == key
    assert entry["message"] == message[:2000]


def test_the_envelope_is_bounded_whatever_comes():
    headers = tuple((f"h{i}", bytes(10_000)) for i in range(100))
    source = SourceRecord("c", 0, 0, bytes(10**6), bytes(10**7), headers)
    output = QUARANTINE.record(source, "oversize", "x" * 10**6, 0)
    assert len(output.value) < 1000 + MAX_HEADER_BYTES + 4096 + 2000 + 1000


@pytest.mark.parametrize("value", [b"\xff\xfe", None])
def test_headers_that_are_not_text_are_kept(value):
    entry = read(QUARANTINE.record(SourceRecord("c", 0, 0, None, b"", (("odd", value),)), "r", "m", 0))
    assert entry["headers"] == [{"name": "odd", "value": value}]
