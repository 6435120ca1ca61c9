"""Container files of candidates: read block by block, and every fault named."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.candidates import make_candidates

from schemas.container import container_block, container_header
from stream_worker.archives import ArchiveFault, open_archives
from stream_worker.archives.blocks import scan_container
from stream_worker.candidate import Candidate
from stream_worker.codec import CANDIDATE, BadPacket, encode_candidate, write_candidates
from stream_worker.codec.container import BadContainer, read_candidates
from stream_worker.codec.encoding import candidate_to_record

CANDIDATES = list(make_candidates(20, 1))


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "run-2021-05-10.avro"
    write_candidates(file, CANDIDATES, block_bytes=30_000)
    return file


def contents(archive):
    return [one.content for piece in archive.pieces for one in archive.read(piece)]


def bodies(candidates):
    return [encode_candidate(candidate) for candidate in candidates]


@pytest.mark.parametrize("codec", ["null", "deflate", "zstandard"])
def test_all_records_come_back_block_by_block(tmp_path, codec):
    file = tmp_path / "a.avro"
    write_candidates(file, CANDIDATES, codec=codec, block_bytes=30_000)
    opened = open_archives([file])
    (archive,) = opened.archives
    assert opened.faults == ()
    assert len(archive.pieces) > 3
    assert bodies(contents(archive)) == bodies(CANDIDATES)
    last = archive.pieces[-1]
    assert [one.record for one in archive.read(last)] == list(range(last.first, len(CANDIDATES)))


@pytest.mark.parametrize("codec", ["bzip2", "xz"])
def test_codecs_of_other_writers(tmp_path, codec):
    import bz2
    import lzma

    compress = {"bzip2": bz2.compress, "xz": lzma.compress}[codec]
    file = tmp_path / "a.avro"
    block = container_block(1, compress(encode_candidate(CANDIDATES[0])), bytes(16))
    file.write_bytes(container_header(CANDIDATE, codec, bytes(16)) + block)
    (archive,) = open_archives([file]).archives
    assert bodies(contents(archive)) == bodies(CANDIDATES[:1])


def test_a_truncated_block_is_named_and_those_before_it_are_read(path):
    whole = path.read_bytes()
    blocks = scan_container(path).blocks
    path.write_bytes(whole[: blocks[2].offset + 100])
    opened = open_archives([path])
    (fault,) = opened.faults
    assert f"{path}: block 2 at byte" in str(fault)
    assert "cut off" in str(fault)
    assert f"for {blocks[2].count} records" in str(fault)
    read = contents(opened.archives[0])
    assert bodies(read) == bodies(CANDIDATES[: blocks[0].count + blocks[1].count])


def test_every_cut_is_either_noticed_or_at_the_end_of_a_block(path):
    whole = path.read_bytes()
    ends = {block.offset + block.size + 16 for block in scan_container(path).blocks}
    first = min(ends)
    for cut in range(4, len(whole), 997):
        path.write_bytes(whole[:cut])
        opened = open_archives([path])
        assert opened.faults or cut in ends, cut
        assert len(opened.archives) == (cut >= first or bool(opened.archives))


def test_a_damaged_block_is_named_and_the_others_are_read(path):
    content = bytearray(path.read_bytes())
    blocks = scan_container(path).blocks
    content[blocks[1].offset + 40 : blocks[1].offset + 90] = bytes(50)
    path.write_bytes(content)
    (archive,) = open_archives([path]).archives
    with pytest.raises(ArchiveFault, match=r"block 1 at byte \d+: does not decompress as zstandard"):
        list(archive.read(archive.pieces[1]))
    assert len(list(archive.read(archive.pieces[2]))) == blocks[2].count


def test_a_wrong_sync_marker_is_named(path):
    content = bytearray(path.read_bytes())
    block = scan_container(path).blocks[1]
    content[block.offset + block.size] ^= 1
    path.write_bytes(content)
    (fault,) = open_archives([path]).faults
    assert "block 1" in str(fault)
    assert "expected the file's sync marker" in str(fault)


def test_a_wrong_codec_is_named(path):
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"zstandard", b"brotliiii", 1))
    opened = open_archives([path])
    assert opened.archives == ()
    assert "codec 'brotliiii': expected one of bzip2, deflate" in str(opened.faults[0])
    path.write_bytes(whole.replace(b"\x12zstandard", b"\x0edeflate", 1))
    (archive,) = open_archives([path]).archives
    with pytest.raises(ArchiveFault, match="does not decompress as deflate"):
        list(archive.read(archive.pieces[0]))


def test_a_foreign_schema_is_named(tmp_path):
    file = tmp_path / "other.avro"
    schema = {"type": "record", "name": "Other", "fields": [{"name": "a", "type": "int"}]}
    header = b"Obj\x01" + b"\x02" + b"\x16avro.schema"
    text = json.dumps(schema).encode()
    file.write_bytes(
        header + bytes([(len(text) << 1) & 0x7F | 0x80, len(text) >> 6]) + text + b"\x00" + bytes(16)
    )
    opened = open_archives([file])
    assert opened.archives == ()
    assert "the writer has record Other, the reader expects record lensnet.v1.Candidate" in str(
        opened.faults[0]
    )


@pytest.mark.parametrize(
    "content", [b"", b"Obj", b"hello", b"Obj\x01", b"Obj\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
)
def test_what_is_no_container_is_named(tmp_path, content):
    file = tmp_path / "x.avro"
    file.write_bytes(content)
    opened = open_archives([file, tmp_path / "missing.avro"])
    assert len(opened.faults) == 2
    assert str(opened.faults[0]).startswith(str(file))
    assert "No such file" in str(opened.faults[1])


def test_an_invalid_record_costs_only_itself(tmp_path):
    bad = replace(CANDIDATES[1], ra=400.0)
    file = tmp_path / "a.avro"
    write_candidates(file, [CANDIDATES[0], bad, CANDIDATES[2]])
    (archive,) = open_archives([file]).archives
    first, second, third = (one for piece in archive.pieces for one in archive.read(piece))
    assert isinstance(first.content, Candidate)
    assert isinstance(third.content, Candidate)
    assert isinstance(second.content, BadPacket)
    assert second.content.reason == "position_out_of_range"
    assert second.raw is not None
    assert second.raw.endswith(encode_candidate(bad))


def season(folder, runs, at_most=None):
    for run, count in runs.items():
        if count:
            write_candidates(folder / f"run-{run}.avro", CANDIDATES[:count])
    summary = {
        "stream": {"kind": "stream", "first_run": None, "last_run": None, "at_most": at_most},
        "runs": [{"run_id": run, "event": {"kept": 1}, "other": {"kept": 2}} for run in ("r1", "r2", "r3")],
    }
    (folder / "season.json").write_text(json.dumps(summary))


def test_a_missing_run_of_a_season_is_named(tmp_path):
    season(tmp_path, {"r1": 3, "r2": 0, "r3": 3})
    opened = open_archives([tmp_path])
    assert [archive.path.name for archive in opened.archives] == ["run-r1.avro", "run-r3.avro"]
    assert [str(fault) for fault in opened.faults] == [
        f"{tmp_path / 'run-r2.avro'}: missing: season.json lists the run with 3 candidates"
    ]


def test_a_season_cut_short_misses_nothing(tmp_path):
    season(tmp_path, {"r1": 3, "r2": 1, "r3": 0}, at_most=4)
    assert open_archives([tmp_path]).faults == ()


def labelled_season(folder, runs, truth):
    for run, count in runs.items():
        write_candidates(folder / f"run-{run}.avro", CANDIDATES[:count])
    (folder / "season.json").write_text(json.dumps({"stream": {"kind": "labelled"}}))
    pq.write_table(pa.table({"run_id": truth}), folder / "truth.parquet")


def test_a_missing_run_of_labelled_stars_is_named_by_their_truth(tmp_path):
    labelled_season(tmp_path, {"r1": 2, "r4": 1}, ["r1", "r1", "r2", "r3", "r3", "r4"])
    assert [str(fault) for fault in open_archives([tmp_path]).faults] == [
        f"{tmp_path / 'run-r2.avro'}: missing: truth.parquet lists the run with 1 candidate",
        f"{tmp_path / 'run-r3.avro'}: missing: truth.parquet lists the run with 2 candidates",
    ]


def test_a_season_of_labelled_stars_has_runs_without_a_file(tmp_path):
    labelled_season(tmp_path, {"r1": 2}, ["r1", "r1"])
    assert open_archives([tmp_path]).faults == ()
    (tmp_path / "truth.parquet").write_bytes(b"spoilt")
    assert "truth.parquet: no truth table of a season: " in str(open_archives([tmp_path]).faults[0])
    (tmp_path / "truth.parquet").unlink()
    assert open_archives([tmp_path]).faults == ()


def test_a_broken_summary_is_named(tmp_path):
    season(tmp_path, {"r1": 3})
    (tmp_path / "season.json").write_text("{}")
    assert "no summary of a season" in str(open_archives([tmp_path]).faults[0])


def test_a_folder_without_archives_is_named(tmp_path):
    assert "a folder without .avro, .parquet or .pysis files" in str(open_archives([tmp_path]).faults[0])


def test_memory_is_that_of_a_block(tmp_path):
    file = tmp_path / "big.avro"
    write_candidates(file, (c for _ in range(160) for c in CANDIDATES), block_bytes=50_000)
    content = 160 * sum(map(len, bodies(CANDIDATES)))
    (archive,) = open_archives([file]).archives
    tracemalloc.start()
    n = sum(1 for piece in archive.pieces for _ in archive.read(piece))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n == 3200
    assert peak < 3_500_000 < content / 2  # compiling the schema is most of it


def test_a_candidate_is_as_its_record(path):
    (archive,) = open_archives([path]).archives
    for found, wanted in zip(contents(archive), CANDIDATES, strict=True):
        one, other = candidate_to_record(found), candidate_to_record(wanted)
        np.testing.assert_equal(one, other)


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_flipped_bit_of_a_block_is_never_another_value(path, where, bit):
    whole = path.read_bytes()
    block = scan_container(path).blocks[1]
    flipped = bytearray(whole)
    flipped[block.offset + int(where * block.size)] ^= 1 << bit
    path.write_bytes(flipped)
    try:
        (archive,) = open_archives([path]).archives
        with pytest.raises(ArchiveFault, match=r"block 1 at byte .*does not decompress as zstandard"):
            list(archive.read(archive.pieces[1]))
        with pytest.raises(BadContainer, match=r"run-2021-05-10\.avro"):
            list(read_candidates(path))
    finally:
        path.write_bytes(whole)
