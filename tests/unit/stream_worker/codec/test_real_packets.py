"""Alert packets of other surveys: real Avro that nobody here wrote, decoded as fastavro decodes it."""

from __future__ import annotations

import fastavro
import numpy as np
import pytest

from stream_worker.codec.decoder import compile_decoder_at


@pytest.fixture(scope="module")
def packets(realdata):
    return sorted((realdata / "packets").rglob("*.avro"))


def raw(schema):
    if isinstance(schema, dict):
        return {key: raw(value) for key, value in schema.items() if key != "logicalType"}
    return [raw(part) for part in schema] if isinstance(schema, list) else schema


def plain(value):
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return "nan" if isinstance(value, float) and np.isnan(value) else value


def test_there_are_packets_of_several_surveys(packets):
    assert len({path.parent for path in packets}) >= 4


def test_every_packet_is_decoded_as_fastavro_decodes_it(packets):
    for path in packets:
        with path.open("rb") as file:
            blocks = list(fastavro.block_reader(file))
        with path.open("rb") as file:
            reader = fastavro.reader(file)
            decode_at = compile_decoder_at(reader.writer_schema)
        count = 0
        for block in blocks:
            content, position = block.bytes_.getvalue(), 0
            expected = fastavro.schemaless_reader
            for _ in range(block.num_records):
                start = position
                value, position = decode_at(content, position)
                block.bytes_.seek(start)
                assert plain(value) == plain(expected(block.bytes_, raw(block.writer_schema))), path
                assert block.bytes_.tell() == position
                count += 1
            assert position == len(content)
        assert count, path
