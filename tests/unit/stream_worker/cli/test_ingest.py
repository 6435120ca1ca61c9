"""What ``ingest`` says, and where it says it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from click.testing import CliRunner

from stream_worker.cli import cli

NOW = time.time() / 86_400 + 2_440_587.5 - 2_450_000
"""HJD - 2450000 of the clock."""


def star(folder, newest: float):
    """A pySIS file that rises up to ``newest``."""
    hjd = np.linspace(newest - 40.0, newest, 120)
    flux = 40.0 * np.maximum(hjd - newest + 20.0, 0.0)
    path = folder / "KMTC14_I.pysis"
    path.write_text("\n".join(f"{t:.5f} {-f:.4f} 20.0 19.0 0.1" for t, f in zip(hjd, flux, strict=True)))
    return path


def ingest_pysis(folder, newest: float, *options: str):
    files = [str(star(folder, newest)), "--star-id", "X", "--ra", "264.6", "--dec", "-28.4"]
    return CliRunner().invoke(cli, ["ingest", "pysis", *files, *options])


@pytest.mark.parametrize(
    ("newest", "options", "warned"),
    [(8210.0, [], True), (NOW - 3.0, [], True), (NOW - 1.0, [], False), (8210.0, ["--tense", "TEST"], False)],
    ids=["2018", "three days", "yesterday", "test"],
)
def test_old_data_that_would_be_sent_as_live_are_warned_of(tmp_path, newest, options, warned):
    done = ingest_pysis(tmp_path, newest, "--out", str(tmp_path / "c.avro"), *options)
    assert done.exit_code == 0, done.output
    assert ("d behind the clock, but its tense is CURRENT" in done.stderr) is warned
    assert bool(done.stderr) is warned


def test_an_archive_that_cannot_be_written_is_told_in_one_line(tmp_path):
    out = tmp_path / "none" / "c.avro"
    done = ingest_pysis(tmp_path, 8210.0, "--tense", "TEST", "--out", str(out))
    assert (done.exit_code, done.output) == (1, f"Error: {out}: No such file or directory\n")


def test_a_benchmark_of_no_archive_is_told_in_one_line(tmp_path):
    path = tmp_path / "jpeg.avro"
    path.write_bytes(b"\xff\xd8\xff\xe0 JFIF")
    done = CliRunner().invoke(cli, ["benchmark", str(path), "--no-broker"])
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 1
    assert done.output.startswith(f"Error: {path}: ")
    assert len(done.output.splitlines()) == 1


def test_what_went_to_a_file_is_not_called_sent(tmp_path):
    out = tmp_path / "c.avro"
    done = ingest_pysis(tmp_path, 8210.0, "--tense", "TEST", "--out", str(out))
    assert f"X: wrote to {out} candidate" in done.stdout


@pytest.mark.parametrize("name", ["", "S" * 201])
def test_a_star_without_a_name_is_refused(tmp_path, name):
    done = ingest_pysis(tmp_path, 8210.0, "--out", str(tmp_path / "c.avro"), "--star-id", name)
    assert done.exit_code == 2
    assert f"{len(name)} characters: expected 1 to 200" in done.output
    assert not (tmp_path / "c.avro").exists()


def test_a_broker_that_is_not_there_is_told_before_anything_is_sent(tmp_path, monkeypatch):
    monkeypatch.setattr("stream_worker.cli.ingest._FIRST_ANSWER_S", 0.5)
    archive = tmp_path / "c.avro"
    assert ingest_pysis(tmp_path, 8210.0, "--tense", "TEST", "--out", str(archive)).exit_code == 0
    done = CliRunner().invoke(
        cli, ["ingest", "archive", str(archive)], env={"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    )
    assert done.exit_code == 1
    assert "no broker answers at 127.0.0.1:1: " in done.output
