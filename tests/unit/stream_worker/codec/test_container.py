from __future__ import annotations

import copy
import io
import stat
import tracemalloc

import fastavro
import numpy as np
import pytest
from support.candidates import make_candidate, make_candidates

from stream_worker.codec import (
    CANDIDATE,
    BadContainer,
    candidate_to_record,
    encode_candidate,
    read_candidates,
    write_candidates,
)

CANDIDATES = list(make_candidates(30, seed=4))
CODECS = ["zstandard", "deflate", "null"]


def bodies(candidates):
    return [encode_candidate(candidate) for candidate in candidates]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "candidates.avro"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("block_bytes", [1, 20_000, 2**20])
def test_round_trip(path, codec, block_bytes):
    assert write_candidates(path, CANDIDATES, codec=codec, block_bytes=block_bytes) == 30
    assert bodies(read_candidates(path)) == bodies(CANDIDATES)


@pytest.mark.parametrize("codec", CODECS)
def test_any_avro_reader_reads_it(path, codec):
    write_candidates(path, CANDIDATES, codec=codec, block_bytes=20_000)
    with path.open("rb") as file:
        records = list(fastavro.reader(file))
    assert [record["star_id"] for record in records] == [candidate.star_id for candidate in CANDIDATES]
    assert records[3]["light_curves"] == candidate_to_record(CANDIDATES[3])["light_curves"]


@pytest.mark.parametrize("codec", CODECS)
def test_a_file_of_another_writer_is_read(path, codec):
    with path.open("wb") as file:
        records = [candidate_to_record(candidate) for candidate in CANDIDATES]
        fastavro.writer(file, CANDIDATE.parsed, records, codec=codec)
    assert bodies(read_candidates(path)) == bodies(CANDIDATES)


def test_a_file_of_another_version_is_read(path):
    definition = copy.deepcopy(dict(CANDIDATE.definition))
    definition["fields"].insert(0, {"name": "filter", "type": "string"})
    with path.open("wb") as file:
        records = [{**candidate_to_record(candidate), "filter": "I"} for candidate in CANDIDATES]
        fastavro.writer(file, definition, records)
    assert bodies(read_candidates(path)) == bodies(CANDIDATES)


@pytest.mark.parametrize("codec", CODECS)
def test_the_bytes_are_the_same_each_time(tmp_path, codec):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        write_candidates(path, iter(CANDIDATES), codec=codec)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_sync_marker_can_be_given(path):
    write_candidates(path, CANDIDATES[:1], sync_marker=b"0123456789abcdef")
    assert path.read_bytes().endswith(b"0123456789abcdef")
    assert len(list(read_candidates(path))) == 1


@pytest.mark.parametrize("marker", [b"", b"0" * 15, b"0" * 17])
def test_a_sync_marker_has_16_bytes(path, marker):
    with pytest.raises(ValueError, match=f"sync marker has {len(marker)} bytes: expected 16"):
        write_candidates(path, CANDIDATES, sync_marker=marker)
    assert not path.exists()


def test_an_unknown_codec_is_refused(path):
    with pytest.raises(ValueError, match="codec 'snappy': expected zstandard, deflate or null"):
        write_candidates(path, CANDIDATES, codec="snappy")


@pytest.mark.parametrize("skip", [0, 1, 7, 29, 30, 99])
@pytest.mark.parametrize("block_bytes", [1, 20_000, 2**20])
def test_candidates_can_be_skipped(path, skip, block_bytes):
    write_candidates(path, CANDIDATES, block_bytes=block_bytes)
    assert bodies(read_candidates(path, skip=skip)) == bodies(CANDIDATES[skip:])


def test_no_candidates_make_a_valid_file(path):
    assert write_candidates(path, []) == 0
    assert list(read_candidates(path)) == []
    with path.open("rb") as file:
        assert list(fastavro.reader(file)) == []


def failing():
    yield from CANDIDATES[:5]
    raise RuntimeError("no more")


def test_a_failure_leaves_the_old_file_and_nothing_else(path):
    write_candidates(path, CANDIDATES[:2])
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="no more"):
        write_candidates(path, failing(), block_bytes=1)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_file_is_as_readable_as_any_other(path):
    write_candidates(path, CANDIDATES[:1])
    other = path.with_name("other")
    other.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_candidates(tmp_path / "none" / "c.avro", CANDIDATES)
    with pytest.raises(FileNotFoundError):
        list(read_candidates(tmp_path / "none.avro"))


@pytest.mark.parametrize("content", [b"", b"Obj", b"not an Avro file", b"Obj\x01\x00" + bytes(16)])
def test_a_file_that_is_no_container_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(BadContainer, match=r"candidates\.avro: "):
        list(read_candidates(path))


@pytest.mark.parametrize("codec", CODECS)
def test_a_file_that_is_cut_off_is_refused_after_its_whole_blocks(path, codec):
    write_candidates(path, CANDIDATES, codec=codec, block_bytes=20_000)
    path.write_bytes(path.read_bytes()[:-30])
    read = []
    with pytest.raises(BadContainer, match=r"candidates\.avro"):
        read.extend(read_candidates(path))


def test_every_truncation_of_a_file_is_refused_or_ends_between_blocks(path):
    write_candidates(path, CANDIDATES[:3], codec="null", block_bytes=1)
    content = path.read_bytes()
    ends = 0
    for length in range(0, len(content), 29):
        path.write_bytes(content[:length])
        try:
            ends += len(list(read_candidates(path))) < 3
        except BadContainer:
            continue
    assert ends <= 3


def test_changed_bytes_are_refused_or_read_as_candidates(path):
    write_candidates(path, CANDIDATES[:3], codec="zstandard", block_bytes=1)
    content = path.read_bytes()
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(300):
        changed = bytearray(content)
        changed[rng.integers(0, len(content))] ^= 1 << rng.integers(0, 8)
        path.write_bytes(bytes(changed))
        try:
            list(read_candidates(path))
        except BadContainer:
            refused += 1
    assert 0 < refused < 300


def test_a_bad_record_is_named(path):
    record = candidate_to_record(CANDIDATES[2])
    record["light_curves"][0]["site"] = "LSC"
    with path.open("wb") as file:
        fastavro.writer(file, CANDIDATE.parsed, [candidate_to_record(CANDIDATES[1]), record])
    read = []
    with pytest.raises(BadContainer, match=r"block 0 at byte \d+, record 1: unknown_site: .*'LSC'"):
        read.extend(read_candidates(path))


def test_records_that_are_no_candidates_are_refused(path):
    schema = {"type": "record", "name": "Star", "fields": [{"name": "ra", "type": "double"}]}
    with path.open("wb") as file:
        fastavro.writer(file, schema, [{"ra": 1.0}])
    with pytest.raises(BadContainer, match="incompatible_schema"):
        list(read_candidates(path))


def test_a_block_with_bytes_too_many_is_refused(path):
    buffer = io.BytesIO()
    write_candidates(path, CANDIDATES[:2], codec="null")
    content = path.read_bytes()
    body = b"".join(bodies(CANDIDATES[:2]))
    assert content.count(body) == 1
    fastavro.schemaless_writer(buffer, "long", 1)
    start = content.index(body) - len(_long(len(body))) - 1
    path.write_bytes(content[:start] + _long(1) + content[start + 1 :])
    with pytest.raises(BadContainer, match="bytes follow its 1 records"):
        list(read_candidates(path))


def _long(value):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, "long", value)
    return buffer.getvalue()


def test_memory_is_bounded_by_a_block(path):
    """300 candidates, 8 MB in all, in blocks of a quarter megabyte."""
    rng = np.random.default_rng(2)

    def many():
        for number in range(300):
            yield make_candidate(rng, number, points=(290, 300))

    tracemalloc.start()
    try:
        write_candidates(path, many(), codec="null", block_bytes=2**18)
        for _ in read_candidates(path):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 8e6
    assert peak < 3e6
