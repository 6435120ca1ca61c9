"""The Dockerfile's targets: what a container engine would do, as far as it can be done without one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.dockerfile import ROOT, install, installed_bytes, stages

IMAGES = ("cpu", "gpu", "train")
OWN = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_every_image_is_unprivileged_labelled_and_has_no_compiler():
    found = stages()
    assert list(found)[-1] == "cpu"  # what `docker build .` makes
    for name in IMAGES:
        instructions = [*found["runtime"], *found[name]]
        users = [step.text for step in instructions if step.name == "USER"]
        assert users == ["10001:10001"]
        labels = " ".join(step.text for step in instructions if step.name == "LABEL")
        for label in ("title", "licenses", "version", "revision"):
            assert f"org.opencontainers.image.{label}" in labels
        copies = [step.text for step in found[name] if step.name == "COPY"]
        assert copies == [f"--from={name}-environment /opt/lensnet /opt/lensnet"]
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"apt-get|apk |gcc|build-essential|curl|wget", text)
    assert f"ARG VERSION={OWN}" in text


def test_workers_get_no_training_library_and_one_runtime():
    extras = {name: install_line(f"{name}-environment") for name in IMAGES}
    assert ".[cpu,otel]" in extras["cpu"]
    assert ".[gpu,otel]" in extras["gpu"]
    assert ".[cpu,otel,replay,train]" in extras["train"]


def test_everything_copied_into_the_build_is_there_and_let_through():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for steps in stages().values():
        for step in steps:
            if step.name == "COPY" and "--from" not in step.text:
                for source in step.text.split()[:-1]:
                    assert (ROOT / source).exists(), source
                    assert source in allowed, source


def test_stages_are_copied_from_only_when_they_exist():
    found = stages()
    for steps in found.values():
        for step in steps:
            for source in re.findall(r"--from=(\S+)", step.text):
                assert source in found


def install_line(stage: str) -> str:
    (line,) = [step.text for step in stages()[stage] if "uv pip install" in step.text]
    return line


@pytest.mark.parametrize(("name", "has"), [("gpu", "onnxruntime-gpu"), ("train", "tensorflow-cpu")])
def test_an_environment_resolves_from_the_lock_files(name, has, tmp_path):
    """Everything but the download of gigabytes; `make test-image` does that too."""
    line = install_line(f"{name}-environment").replace("uv pip install -q", "uv pip install --dry-run")
    subprocess.run([Path(sys.executable).with_name("uv"), "venv", "-q", tmp_path / "venv"], check=True)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        cwd=ROOT,
        env={
            **os.environ,
            "VENV": str(tmp_path / "venv"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    chosen = dict(re.findall(r"\+ ([a-z0-9.-]+)==([^\s(]+)", done.stderr))
    assert has in chosen
    lock = (ROOT / ("requirements-gpu.lock" if name == "gpu" else "requirements.lock")).read_text()
    pins = set(re.findall(r"^([a-z0-9.-]+==[^\s;]+)", lock, re.MULTILINE))
    assert {f"{package}=={version}" for package, version in chosen.items()} - pins <= {f"lensnet=={OWN}"}
    if name == "gpu":
        assert "onnxruntime" not in chosen
        assert "nvidia-cudnn-cu13" in chosen


@pytest.mark.image
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", IMAGES)
def test_an_environment_installs_whole(name, tmp_path):
    install(f"{name}-environment", tmp_path / "venv")
    print(f"{name}: {installed_bytes(tmp_path / 'venv') / 1e6:.0f} MB installed")
