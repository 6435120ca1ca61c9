from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from model_build.simulator.cli import simulate
from model_build.simulator.write import TRUTH_COLUMNS
from stream_worker.codec import read_candidates


def run(*arguments: object):
    return CliRunner().invoke(simulate, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("simulated") / "deep" / "er"
    result = run("--candidates", 30, "--seed", 4, "--out", directory, "--json")
    assert result.exit_code == 0, result.output
    return directory, json.loads(result.stdout.splitlines()[-1])


def test_the_folder_holds_run_files_and_a_truth_for_every_candidate(written):
    directory, summary = written
    files = sorted(directory.glob("run-*.avro"))
    candidates = [candidate for path in files for candidate in read_candidates(path)]
    with (directory / "truth.csv").open(newline="", encoding="utf-8") as stream:
        truth = list(csv.DictReader(stream))
    assert [row["candidate_id"] for row in truth] == [candidate.candidate_id for candidate in candidates]
    assert tuple(truth[0]) == TRUTH_COLUMNS
    assert summary["candidates"] == len(truth) == 30
    assert summary["files"] == len(files)
    assert summary["bytes"] == sum(path.stat().st_size for path in files)
    assert summary["labels"] == {"yes": 11, "maybe": 7, "no": 12}


def test_the_truth_has_parameters_for_events_only(written):
    directory, _ = written
    with (directory / "truth.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            parameters = [row[name] for name in ("t_0", "t_E", "u_0", "f_s")]
            assert all(parameters) if row["label"] == "yes" else not any(parameters)


def test_a_file_holds_one_run(written):
    directory, _ = written
    for path in directory.glob("run-*.avro"):
        assert {candidate.run_id[-4:] for candidate in read_candidates(path)} == {path.stem[-4:]}


def test_the_same_command_writes_the_same_bytes(written, tmp_path):
    directory, _ = written
    assert run("--candidates", 30, "--seed", 4, "--out", tmp_path).exit_code == 0
    names = sorted(path.name for path in directory.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes()


def test_an_earlier_simulation_is_not_mixed_with_the_new_one(tmp_path):
    assert run("--candidates", 4, "--out", tmp_path).exit_code == 0
    refused = run("--candidates", 2, "--out", tmp_path)
    assert refused.exit_code == 2
    assert "already holds" in refused.output
    assert run("--candidates", 2, "--seed", 9, "--out", tmp_path, "--overwrite").exit_code == 0
    assert sum(1 for path in tmp_path.glob("run-*.avro") for _ in read_candidates(path)) == 2


def test_progress_goes_to_stderr_and_the_summary_to_stdout(tmp_path):
    result = run("--candidates", 10, "--out", tmp_path)
    assert "simulated 10 of 10" in result.stderr
    assert "10 candidates (4 yes, 2 maybe, 4 no)" in result.stdout


def test_help_has_examples():
    result = run("--help")
    assert result.exit_code == 0
    assert "model-build simulate --season 2021 --candidates 5000 --seed 7 --out train --json" in result.stdout


@pytest.mark.parametrize(
    "bad", [("--candidates", 0), ("--season", 1998), ("--tense", "LATER"), ("--seed", -1)]
)
def test_bad_options_exit_with_two(tmp_path, bad):
    assert run("--out", tmp_path, *bad).exit_code == 2


def test_simulating_needs_neither_tensorflow_nor_onnxruntime_nor_kafka(tmp_path):
    program = (
        "import sys; from model_build.simulator.cli import simulate\n"
        f"simulate(['--candidates', '3', '--out', {str(tmp_path)!r}], standalone_mode=False)\n"
        "print([m for m in ('tensorflow', 'keras', 'onnxruntime', 'confluent_kafka') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
