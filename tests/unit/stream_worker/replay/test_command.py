"""``stream-worker replay`` as it is called: usage, exit codes, and values as people write them."""

from __future__ import annotations

import json
import math
import sys

import pyarrow.parquet
import pytest
from click.testing import CliRunner
from support.candidates import make_candidates

from stream_worker.cli.replay import replay
from stream_worker.codec import CANDIDATE, encode_candidate, write_candidates
from stream_worker.dumping.day_files import open_day_files
from stream_worker.framing import single_object
from stream_worker.kafka.records import SourceRecord
from stream_worker.replay.parameters import FROM, SPEED, TO


def call(*arguments):
    return CliRunner().invoke(replay, [str(one) for one in arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.avro"], "one of --offline and --to-topic"),
        (["a.avro", "--offline", "--to-topic"], "one of --offline and --to-topic"),
        (["a.avro", "--offline"], "needs --out"),
        (["a.avro", "--to-topic", "--out", "x"], "--out is of an offline replay"),
        (["a.avro", "--offline", "--out", "x", "--speed", "10"], "--speed is of a replay through topics"),
        (["a.avro", "--offline", "--out", "x", "--force-live-topics"], "--force-live-topics is of"),
        (["a.avro", "--offline", "--out", "x", "--from", "June"], "expected a day as 2021-06-01"),
        (
            ["a.avro", "--offline", "--out", "x", "--from", "2021-06-02", "--to", "2021-06-01"],
            "--from is after",
        ),
        (["diff", "live", "topic:r-1", "--from", "2021-06-02", "--to", "2021-06-01"], "--from is after --to"),
        (["a.avro", "--to-topic", "--speed", "fast"], "expected max, or a factor"),
        ([], "Missing argument 'ARCHIVE...'"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.avro").touch()
    done = call(*arguments)
    assert done.exit_code == 2
    assert message in done.output


@pytest.mark.parametrize("mode", [[], ["--offline"], ["--to-topic", "--out", "x"]])
def test_what_is_neither_an_archive_nor_a_command_is_named_before_the_mode(tmp_path, mode):
    (tmp_path / "here.avro").touch()
    done = call("remov", tmp_path / "here.avro", "x", *mode)
    assert done.exit_code == 2
    assert "no such archive, nor a command of replay (diff, convert, remove): remov, x\n" in done.output
    assert "is needed" not in done.output


def test_a_missing_archive_exits_with_1(tmp_path):
    done = call(tmp_path / "none.avro", "--offline", "--out", tmp_path / "x.parquet")
    assert done.exit_code == 1
    assert "none.avro: No such file" in done.output
    assert "--on-fault skip leaves out what is named above" in done.output


def test_a_replay_without_a_record_leaves_the_older_result(tmp_path, archive, in_process):
    out = tmp_path / "scores.parquet"
    out.write_bytes(b"the older result")
    run = archive / "run-2021-05-11.avro"
    broken = tmp_path / "broken.avro"
    write_candidates(broken, make_candidates(2, 2))
    content = broken.read_bytes()
    broken.write_bytes(content[:-1000] + b"\0" + content[-999:])
    nothing = [
        ([run, "--from", "2022-05-10"], "none of 12 records took part"),
        ([broken, "--on-fault", "skip", "--resume"], "none of 0 records took part"),
    ]
    for arguments, message in nothing:
        done = call(*arguments, "--offline", "--out", out, "--workers", 1)
        assert (done.exit_code, message in done.output) == (1, True), done.output
        assert out.read_bytes() == b"the older result"
        assert sorted(one.name for one in tmp_path.iterdir()) == ["broken.avro", "scores.parquet"]
    assert "skipped: broken.avro: " in done.output


@pytest.fixture
def no_extra(monkeypatch):
    for library in ("matplotlib", "orjson", "pyarrow"):
        monkeypatch.setitem(sys.modules, library, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["a.avro", "--offline", "--out", "x.parquet"],
            "orjson and pyarrow not installed; in the checkout: pip ",
        ),
        (["convert", "a.avro", "--out", "x.parquet"], "pyarrow not installed"),
        (["diff", "a.parquet", "live"], "pyarrow not installed"),
        (["diff", "live", "topic:r-1", "--html", "x.html"], "matplotlib not installed"),
    ],
)
def test_what_needs_the_extra_says_so_and_exits_with_2(no_extra, arguments, message):
    done = call(*arguments)
    assert (done.exit_code, message in done.output) == (2, True), done.output


def test_a_replay_through_topics_needs_the_extra_for_parquet_only(no_extra, tmp_path, archive, monkeypatch):
    (tmp_path / "season.parquet").write_bytes(b"PAR1")
    done = call(tmp_path / "season.parquet", "--to-topic")
    assert done.exit_code == 1
    assert "season.parquet: Parquet needs pyarrow; in the checkout: pip install" in done.output
    begun = []
    monkeypatch.setattr("stream_worker.cli.replay._to_topic", lambda *arguments: begun.append(arguments))
    assert call(archive / "run-2021-05-11.avro", "--to-topic").exit_code == 0
    assert len(begun) == 1


def test_help_is_that_of_the_replay_and_names_the_commands_beside_it():
    done = call("--help")
    assert done.exit_code == 0
    assert "--offline" in done.output
    assert done.output.startswith("Usage: replay [OPTIONS] ARCHIVE...\n")
    beside = done.output.split("Also:\n")[1].split("\n\n")[0].splitlines()
    assert [line.split()[:3] for line in beside] == [
        ["replay", "diff", "Compare"],
        ["replay", "convert", "Write"],
        ["replay", "remove", "Delete"],
    ]
    assert call("diff", "--help").output.startswith("Usage: replay diff")
    assert call("a.avro", "--bad").output.startswith(
        "Usage: replay [OPTIONS] ARCHIVE...\nTry 'replay --help'"
    )


def test_nights_and_speeds_as_people_write_them():
    start, end = (kind.convert("2021-05-10", None, None) for kind in (FROM, TO))
    assert start == 9344.5
    assert end == pytest.approx(9345.5, abs=1e-5)
    assert end < 9345.5
    assert FROM.convert("2459344.75", None, None) == TO.convert("9344.75", None, None) == 9344.75
    assert SPEED.convert("max", None, None) == math.inf
    assert SPEED.convert("3600x", None, None) == 3600


def test_convert_writes_what_replay_reads(tmp_path, archive):
    bad = call("convert", archive, "--out", tmp_path / "x.parquet")
    assert bad.exit_code == 1  # one of its candidates is none
    assert "record 17: position_out_of_range" in bad.output
    run = archive / "run-2021-05-11.avro"
    for name, layout in (("a.parquet", "nested"), ("b.parquet", "long"), ("c.avro", "nested")):
        done = call("convert", run, "--out", tmp_path / name, "--layout", layout)
        assert (done.exit_code, "12 candidates" in done.output) == (0, True)
    again = call("convert", tmp_path / "b.parquet", "--out", tmp_path / "d.avro")
    assert again.exit_code == 0
    assert (tmp_path / "c.avro").read_bytes() == (tmp_path / "d.avro").read_bytes()


def test_convert_writes_no_file_of_another_kind(tmp_path, archive):
    done = call("convert", archive, "--out", tmp_path / "season.csv")
    assert done.exit_code == 2
    assert "season.csv: expected a name that ends in .parquet or .avro" in done.output
    assert not list(tmp_path.iterdir())


def test_diff_exits_with_0_only_where_nothing_differs(tmp_path):
    done = call("diff", tmp_path / "a.parquet", tmp_path / "b.parquet")
    assert done.exit_code == 1
    assert "no Parquet file that can be read" in done.output


def test_json_counts(tmp_path, replayed, in_process):
    replayed(tmp_path / "a.parquet")
    replayed(tmp_path / "b.parquet")
    done = call("diff", tmp_path / "a.parquet", tmp_path / "b.parquet", "--json")
    assert done.exit_code == 0
    found = json.loads(done.output)
    assert found["empty"]
    assert found["counts"]["candidates_in_both"] == 29  # of 31 records one is refused, one a repeat


@pytest.mark.parametrize(("most", "reasons"), [("4194304", {None}), ("1024", {"oversize"})])
def test_packets_of_a_dump_are_as_large_as_the_settings_allow(tmp_path, monkeypatch, most, reasons):
    files = open_day_files(tmp_path / "dump", "topic")
    for offset, one in enumerate(make_candidates(2, 2)):
        packet = single_object(CANDIDATE, encode_candidate(one))
        files.add(SourceRecord("topic", 0, offset, b"key", packet, timestamp=0))
    files.close(files.days)
    monkeypatch.setenv("LENSNET_MAX_PACKET_BYTES", most)
    out = tmp_path / "scores.parquet"
    done = call(tmp_path / "dump", "--offline", "--out", out, "--workers", 1)
    assert done.exit_code == 0, done.output
    table = pyarrow.parquet.read_table(out)
    assert set(table["reason"].to_pylist()) == reasons
    assert json.loads(table.schema.metadata[b"lensnet.replay"])["max_packet_bytes"] == int(most)
