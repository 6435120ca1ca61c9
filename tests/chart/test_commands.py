"""Every command of the chart on a real broker, with only what its image has and what its user may do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from support.candidates import make_candidates
from support.chart_values import merged
from support.helm import containers_of
from support.image_libraries import hide, image_extras
from support.kafka_rights import RightsKafka, listed_rights, rights_kafka

from stream_worker.codec import write_candidates
from stream_worker.kafka.reading import committed_offsets
from stream_worker.local_stream.processes import start_worker, stopping
from stream_worker.settings import load_settings

N = 20
ROWS = ["chart", "replay", "ingest", "archive", "subscriber", "KEDA"]
REPLAY_ID = "season-2021"


@pytest.fixture(scope="module")
def cpu_image(tmp_path_factory) -> dict[str, str]:
    return hide("cpu", tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def kafka() -> Iterator[RightsKafka]:
    """A user for each row of the README's table; a replay is run by one who has the chart's rights too."""
    rights = listed_rights()
    with rights_kafka(ROWS) as running:
        for user, own in rights.items():
            running.allow(user, own)
        running.allow("replay", rights["chart"])
        yield running


@pytest.fixture
def values(kafka, tmp_path) -> dict:
    """One broker, few partitions, a retention that is not the default."""
    return merged(
        {"settings": {"kafka": {"bootstrap_servers": kafka.bootstrap_servers}}},
        {"topics": {"partitions": 2, "replicationFactor": 1, "minInsyncReplicas": 1, "retentionDays": 7}},
        {"scorer": {"replicas": 1}, "deduplicator": {"replicas": 1}},
        {"replay": {"enabled": True, "id": REPLAY_ID, "archive": {"existingClaim": "archives"}}},
        {"replay": {"archive": {"paths": [str(tmp_path / "run.avro")]}, "scorers": 1}},
    )


@pytest.fixture
def environ(helm, values, kafka, cpu_image, tmp_path) -> Callable[[str], dict[str, str]]:
    """Environment of a container, as one of the users."""
    file = tmp_path / "settings.toml"
    file.write_text(helm.one(values, "ConfigMap", "-settings")["data"]["score.toml"])
    shared = {**os.environ, **cpu_image, "LENSNET_SETTINGS_FILE": str(file)}
    return lambda user: {**shared, **kafka.environ(user)}


@pytest.fixture
def run(environ) -> Callable[..., str]:
    def call(user: str, *arguments: str, rc: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "stream_worker", *arguments],
            env=environ(user),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == rc, f"{arguments}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    return call


def commands(helm, values) -> dict[str, list[str]]:
    """Arguments of every container that runs ``stream-worker``, by name."""
    return {
        container["name"]: container["args"]
        for manifest in helm.render(values)
        for container in containers_of(manifest)
        if container.get("command") == ["stream-worker"]
    }


def grouped(books: str) -> bool:
    """Whether every candidate is scored and neither stage has one that waits or is held back."""
    return f'"SCORED": {N}' in books and '{"balanced": true' in books


def test_every_row_of_the_rights_is_tried():
    assert list(listed_rights()) == ROWS


@pytest.mark.timeout(900)
def test_every_command_runs_with_what_the_image_has_and_the_rights_listed(
    helm, kafka, values, environ, run, tmp_path
):
    archive = tmp_path / "run.avro"
    write_candidates(archive, make_candidates(N, 4))
    asked = commands(helm, values)
    assert set(asked) == {"scorer", "deduplicator", "topics", "test", "balance", "replay"}
    assert "authorization" in run("subscriber", *asked["topics"], rc=1).lower()
    run("chart", *asked["topics"])
    run("chart", *asked["test"])
    codes: list[int] = []
    stages = [start_worker(*asked[one], environ("chart"), tmp_path) for one in ("scorer", "deduplicator")]
    with stopping(stages, lambda _name, code: codes.append(code)):
        run("ingest", "ingest", "archive", str(archive))
        deadline = time.monotonic() + 240
        while not grouped(run("chart", *asked["balance"])):
            assert time.monotonic() < deadline, [one.tail() for one in stages]
            assert all(one.process.poll() is None for one in stages), [one.tail() for one in stages]
    assert codes == [0, 0]

    run("chart", "rebuild")
    run("chart", "quarantine", "list")
    assert "no alert of group" in run("chart", "retract", "0" * 32, "--reason", "none", rc=1)
    assert f"{N} candidates sent" in run("replay", *asked["replay"])
    assert "no difference" in run("replay", "replay", "diff", f"topic:{REPLAY_ID}", "live")
    assert f"{REPLAY_ID}.sent" in run("replay", "replay", "remove", REPLAY_ID)
    assert not [group for group in kafka.groups() if group.startswith("lensnet.replay.")]
    run("archive", "archive", "--out", str(tmp_path / "dump"), "--once")
    run("subscriber", "tail", "--from-beginning", "--idle-exit", "2")
    keda = load_settings(environ("KEDA"))
    assert sum(committed_offsets(keda.kafka, "lensnet-score", "lensnet.candidates").values()) == N


def test_the_gpu_image_has_the_same_beside_its_runtime():
    assert image_extras("gpu") - {"gpu"} == image_extras("cpu") - {"cpu"}


def test_what_an_image_lacks_is_hidden_from_every_process_of_a_command(cpu_image):
    inner = "import subprocess, sys, {0}; subprocess.run([sys.executable, '-c', 'import {1}'], check=True)"
    for names in (("onnxruntime", "pyarrow"), ("onnxruntime", "orjson"), ("matplotlib", "onnxruntime")):
        done = subprocess.run(
            [sys.executable, "-c", inner.format(*names)],
            env={**os.environ, **cpu_image},
            capture_output=True,
            text=True,
            check=False,
        )
        assert re.search(r"No module named '(pyarrow|orjson|matplotlib)'", done.stderr)
