from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner
from support.natural import as_natural

from model_build.bundle_commands import _git_commit
from model_build.bundle_writer import write_bundle
from model_build.cli import cli
from model_build.dataset import data_sha256
from model_build.network_bundle import bundle_files
from model_build.season.truth import TRUTH_FILE, read_truth, write_truth
from model_build.training_set.reader import open_training_set
from stream_worker.bundle import load_bundle
from stream_worker.settings import Settings


@pytest.fixture
def bundle(tmp_path, small_network, release):
    return write_bundle(tmp_path / "bundle", bundle_files(small_network, release)).path


def invoke(*arguments):
    return CliRunner().invoke(cli, list(map(str, arguments)))


@pytest.fixture(scope="module")
def made(labelled_archive, tmp_path_factory):
    """A training set of the labelled season, and a run of one epoch of each task."""
    folder = tmp_path_factory.mktemp("made")
    config = folder / "small.toml"
    config.write_text("[network]\nlstm_units = 8\ndense = [8]\npatch = 4\n")
    steps = [["dataset", labelled_archive, "--out", folder / "set", "--workers", 1]]
    steps += [
        ["train", "--set", folder / "set", "--out", folder / task, "--task", task, "--config", config]
        for task in ("both", "binary", "multiclass")
    ]
    for step in steps:
        result = invoke(*step, *(["--epochs", 1] if step[0] == "train" else []))
        assert result.exit_code == 0, result.output
    return folder


def test_a_run_becomes_a_bundle_that_a_worker_takes(made, tmp_path):
    out = tmp_path / "b"
    result = invoke("export", made / "both", "--set", made / "set", "--base-rate", 0.02, "--out", out)
    assert result.exit_code == 0, result.output
    manifest = load_bundle(out).manifest
    assert not manifest.provisional
    assert manifest.calibration.base_rate == 0.02
    assert 0 <= manifest.thresholds.chosen <= 1
    assert manifest.training_data_sha256 == open_training_set(made / "set").sha256
    assert manifest.metrics["n_train"] > manifest.metrics["n"] > 0
    checked = invoke("check", out, "--set", made / "set", "--json")
    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["n"] > 100


def test_p_event_is_fitted_to_streams(made, labelled_archive, tmp_path):
    out, both = tmp_path / "b", made / "both"
    streams = [as_natural(shutil.copytree(labelled_archive, tmp_path / name)) for name in ("one", "other")]
    for stream, true in zip(streams, ("yes", "maybe"), strict=True):
        rows = [
            replace(row, kind="event" if row.label == true else "quiet")
            for row in read_truth(labelled_archive / TRUTH_FILE)
        ]
        write_truth(stream / TRUTH_FILE, rows)
    options = ["--set", made / "set", "--cache", tmp_path, "--workers", 1, "--out", out]
    result = invoke("export", both, *options, "--stream", streams[0])
    assert result.exit_code == 0, result.output
    rows = read_truth(streams[0] / TRUTH_FILE)
    kinds = [row.kind for row in rows]
    bundle = load_bundle(out)
    assert bundle.manifest.calibration.base_rate == pytest.approx(kinds.count("event") / len(kinds), abs=1e-6)
    card = bundle.files["MODEL_CARD.md"].decode()
    assert "candidates of simulated natural streams (seeds 3)" in card
    assert "| left out at random, both | each site " in card
    assert bundle.manifest.made_of.trained_on == (data_sha256(labelled_archive),)
    assert bundle.manifest.made_of.calibrated_on == (data_sha256(streams[0]),)
    assert "| trained on, both | stars at their labels' dates; crops of these |" in card
    result = invoke("export", both, *options, "--stream", made)
    assert result.exit_code == 1
    assert "season.json" in result.stderr


def test_p_event_is_not_fitted_to_what_was_trained_on_nor_twice_to_one_stream(
    made, labelled_archive, tmp_path
):
    out = ["--set", made / "set", "--cache", tmp_path, "--workers", 1, "--out", tmp_path / "b"]
    result = invoke("export", made / "both", *out, "--stream", labelled_archive)
    assert result.exit_code == 1
    assert f"{labelled_archive} is a season of {made / 'set'}: p_event must be fitted" in result.stderr
    other = shutil.copytree(labelled_archive, tmp_path / "other")
    write_truth(other / TRUTH_FILE, read_truth(other / TRUTH_FILE)[::-1])
    same = shutil.copytree(other, tmp_path / "same")
    result = invoke("export", made / "both", *out, "--stream", other, "--stream", same)
    assert result.exit_code == 1
    assert f"{same} is the same stream as {other}" in result.stderr
    result = invoke("export", made / "both", *out, "--stream", other)
    assert "no natural stream" in result.stderr
    assert not (tmp_path / "b").exists()


def test_runs_of_each_task_become_one_bundle_without_p_event(made, tmp_path):
    (tmp_path / "figures.json").write_text('{"false alerts a night": "3.1"}')
    runs = [made / "multiclass", made / "binary"]
    more = ["--figures", tmp_path / "figures.json", "--provisional"]
    result = invoke("export", *runs, "--set", made / "set", "--out", tmp_path / "b.tar", *more)
    assert result.exit_code == 0, result.output
    bundle = load_bundle(tmp_path / "b.tar")
    assert bundle.manifest.outputs.p_review.graph == "binary"
    assert bundle.manifest.calibration is None
    assert bundle.manifest.provisional
    assert "| false alerts a night | 3.1 |" in bundle.files["MODEL_CARD.md"].decode()


def test_runs_that_make_no_bundle_are_refused(made, tmp_path):
    out = ["--out", tmp_path / "b"]
    assert "--set is missing" in invoke("export", made / "both", *out).stderr
    of = ["--set", made / "set", *out]
    result = invoke("export", made / "binary", *of)
    assert result.exit_code == 1
    assert "expected a run of both tasks or one of each, got binary" in result.stderr
    shutil.copytree(made / "both", tmp_path / "other")
    run = json.loads((tmp_path / "other" / "run.json").read_text()) | {"training_set": "0" * 64}
    (tmp_path / "other" / "run.json").write_text(json.dumps(run))
    assert "trained on set 0000" in invoke("export", tmp_path / "other", *of).stderr
    assert not (tmp_path / "b").exists()


def test_a_run_is_resumed_only_as_it_was_asked_for(made):
    run = ["train", "--set", made / "set", "--out", made / "both"]
    assert "is not empty" in invoke(*run).stderr
    result = invoke(*run, "--resume", "--seed", 9)
    assert result.exit_code == 2
    assert "has other options, seed" in result.stderr
    config = ["--config", made / "small.toml", "--epochs", 1]
    result = invoke(*run, "--resume", *config, "--limit", 20)
    assert result.exit_code == 2
    assert "has other limit" in result.stderr
    assert invoke(*run, "--resume", *config).exit_code == 0


def test_too_few_examples_to_train_on_are_said(made, tmp_path):
    run = ["train", "--set", made / "set", "--out", tmp_path / "run", "--epochs", 1, "--limit", 1]
    result = invoke(*run)
    assert result.exit_code == 1
    assert "every one of" in result.stderr


def test_training_on_no_training_set_fails_with_the_reason(labelled_archive, tmp_path):
    result = invoke("train", "--set", labelled_archive, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "manifest.json is missing" in result.stderr
    result = invoke("train", "--set", labelled_archive, "--out", tmp_path / "run", "--config", "best")
    assert result.exit_code == 2
    assert "neither default nor paper" in result.stderr


def test_usage_errors_exit_with_2(tmp_path):
    assert invoke("train", "--set", tmp_path / "absent", "--out", tmp_path / "b").exit_code == 2
    assert invoke("check", tmp_path / "absent").exit_code == 2


def test_check_passes_a_good_bundle(bundle):
    result = invoke("check", bundle, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["passed"]
    assert max(report["keras"], report["alone"]) <= 1e-6 < report["tolerance"] == 1e-5
    assert report["sha256"] == load_bundle(bundle).sha256


def test_check_passes_the_shipped_bundle():
    result = invoke("check", Settings().bundle)
    assert result.exit_code == 0, result.output
    assert "hashes and golden vectors are right" in result.stdout


def test_check_fails_an_altered_bundle(bundle):
    (bundle / "MODEL_CARD.md").write_text("better than ever")
    result = invoke("check", bundle)
    assert result.exit_code == 1
    assert "MODEL_CARD.md was altered" in result.stderr


def test_export_anew_gives_the_same_graph(bundle, tmp_path):
    assert invoke("export", bundle, "--out", tmp_path / "again").exit_code == 0
    assert load_bundle(tmp_path / "again").sha256 == load_bundle(bundle).sha256


def test_export_to_a_tar(bundle, tmp_path):
    result = invoke("export", bundle, "--out", tmp_path / "b.tar.gz")
    assert result.exit_code == 0, result.output
    assert load_bundle(tmp_path / "b.tar.gz").sha256 == load_bundle(bundle).sha256


def test_nothing_else_is_replaced(bundle, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "draft.tex").write_text("years of work")
    assert invoke("export", bundle, "--out", tmp_path / "thesis").exit_code == 2


@pytest.mark.parametrize("arguments", [["--help"], ["simulate", "--help"]])
def test_help_and_simulate_work_without_tensorflow(arguments):
    code = (
        "import sys; absent = ('tensorflow', 'keras', 'tf2onnx', 'onnx', 'onnxruntime'); "
        "sys.modules.update(dict.fromkeys(absent)); "
        f"from model_build.cli import cli; cli({arguments!r}, prog_name='model-build')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "simulate" in found.stdout


def git(folder, *arguments):
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_of_a_bundle_is_that_of_its_code_or_none(tmp_path):
    for package in ("schemas", "stream_worker/bundles", "model_build"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "file.py").write_text("x = 1")
    assert _git_commit(tmp_path) is None
    git(tmp_path, "init", "--quiet")
    assert _git_commit(tmp_path) is None
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "code")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert _git_commit(tmp_path) == commit
    (tmp_path / "stream_worker/bundles/file.py").write_text("the bundle itself, trained anew")
    assert _git_commit(tmp_path) == commit
    (tmp_path / "model_build/file.py").write_text("x = 2")
    assert _git_commit(tmp_path) is None
