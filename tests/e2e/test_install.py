"""The CPU image's environment, installed clean, gives a working worker, without the training side."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.dockerfile import install, installed_bytes

SCORE_ONE = """
import numpy as np, sys
from stream_worker.candidate import AlertFinderDetection, Candidate, Tense, candidate_id
from stream_worker.offline import score_offline
from stream_worker.preprocessing import LightCurve
from stream_worker.settings import load_settings
rng = np.random.default_rng(1)
t = np.sort(rng.uniform(9284.0, 9344.0, 80))
flux = rng.normal(0, 300, 80) + 400 * np.maximum(t - 9335, 0)
curve = LightCurve("CTIO", "BLG11", t, flux, np.full(80, 300.0))
found = AlertFinderDetection("CTIO", "BLG11", 20, 9335.0, 9344.0, 400.0, 900.0)
star = "BLG11M0308.009408"
one = Candidate(candidate_id("KMTNet", star, 9344.0), "KMTNet", 2021, "r", Tense.TEST, None, star, "BLG11",
                None, None, None, 262.7, -28.9, None, found, (curve,), 1620632800000)
(score,) = score_offline(load_settings({}), [one])
assert 0 <= score.p_review <= 1
assert not {"tensorflow", "keras"} & set(sys.modules)
print("scored", score.p_review)
"""


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Dockerfile's CPU target installs, by its own lines."""
    venv = tmp_path_factory.mktemp("install") / "venv"
    install("cpu-environment", venv)
    return venv


def test_the_workers_environment_is_small(environment):
    size = installed_bytes(environment) / 1e6
    print(f"{size:.0f} MB installed")
    assert size < 350


def test_the_installed_worker_scores_with_the_bundle_it_ships(environment, tmp_path):
    assert "scored" in run(
        "env", "-C", str(tmp_path), "-i", str(environment / "bin" / "python"), "-c", SCORE_ONE
    )


def test_its_commands_work(environment):
    assert "deduplicate" in run(str(environment / "bin" / "stream-worker"), "--help")
    assert (
        "kafka" in run(str(environment / "bin" / "python"), "-m", "stream_worker.dev_kafka", "--help").lower()
    )
    assert "simulate" in run(str(environment / "bin" / "model-build"), "--help")


def test_nothing_of_the_training_side_is_installed(environment):
    installed = {path.name.lower() for path in (environment / "lib").glob("python*/site-packages/*")}
    assert "onnxruntime" in installed
    assert not installed & {
        "tensorflow",
        "keras",
        "tf2onnx",
        "onnx",
        "mulensmodel",
        "pytest",
        "pyarrow",
        "matplotlib",
    }
