from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from model_build.bundle_writer import write_bundle
from model_build.cli import cli
from model_build.commands import _git_commit
from model_build.dataset import data_sha256
from model_build.network_bundle import bundle_files
from stream_worker.bundle import load_bundle
from stream_worker.settings import Settings


@pytest.fixture
def bundle(tmp_path, small_network, release):
    return write_bundle(tmp_path / "bundle", bundle_files(small_network, release)).path


def invoke(*arguments):
    return CliRunner().invoke(cli, list(map(str, arguments)))


def test_training_writes_a_bundle_that_a_worker_takes(labelled_archive, tmp_path):
    result = invoke(
        "train", "--candidates", labelled_archive, "--out", tmp_path / "b", "--epochs", 1, "--json"
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    bundle = load_bundle(tmp_path / "b")
    assert report["sha256"] == bundle.sha256
    assert bundle.manifest.provisional
    assert bundle.manifest.metrics["auc"] == report["auc"]
    assert bundle.manifest.metrics["n_train"] > bundle.manifest.metrics["n"] > 0
    assert bundle.manifest.training_data_sha256 == data_sha256(labelled_archive)
    assert "epoch  1" in result.stderr


def test_a_bundle_below_the_wanted_auc_is_not_written(labelled_archive, tmp_path):
    out = tmp_path / "b"
    result = invoke("train", "--candidates", labelled_archive, "--out", out, "--epochs", 1, "--min-auc", 1)
    assert result.exit_code == 1
    assert "is below 1.0: not written" in result.stderr
    assert not out.exists()


def test_training_without_labels_fails_with_the_reason(labelled_archive, tmp_path):
    folder = tmp_path / "in"
    shutil.copytree(labelled_archive, folder)
    (folder / "truth.parquet").unlink()
    result = invoke("train", "--candidates", folder, "--out", tmp_path / "b")
    assert result.exit_code == 1
    assert "truth.parquet is missing" in result.stderr


def test_too_small_a_season_is_refused_before_training(labelled_archive, tmp_path):
    result = invoke("train", "--candidates", labelled_archive, "--out", tmp_path / "b", "--limit", 5)
    assert result.exit_code == 1
    assert "too few labelled candidates" in result.stderr
    assert "epoch" not in result.stderr


def test_usage_errors_exit_with_2(tmp_path):
    assert invoke("train", "--candidates", tmp_path / "absent", "--out", tmp_path / "b").exit_code == 2
    assert invoke("check", tmp_path / "absent").exit_code == 2


def test_check_passes_a_good_bundle(bundle):
    result = invoke("check", bundle, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["passed"]
    assert max(report["keras"], report["alone"]) <= report["tolerance"] == 1e-6
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


@pytest.mark.parametrize("command", ["train", "export", "check"])
def test_help_has_examples(command):
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"model-build {command}" in result.output


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
