"""Every command of the chart runs to its end against a real broker, with only what its image has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.candidates import make_candidates
from support.chart_values import merged
from support.helm import containers_of
from support.image_libraries import hide, image_extras

from stream_worker.codec import write_candidates
from stream_worker.local_stream.processes import start_worker, stopping
from stream_worker.local_stream.stream import own_names

N = 20


@pytest.fixture(scope="module")
def cpu_image(tmp_path_factory) -> dict[str, str]:
    return {**os.environ, **hide("cpu", tmp_path_factory.mktemp("image"))}


def values(kafka: str, prefix: str, archive: Path) -> dict:
    """One broker, few partitions, a retention that is not the default."""
    return merged(
        {"settings": {"kafka": {"bootstrap_servers": kafka}}},
        {"settings": own_names(prefix)},
        {"topics": {"partitions": 2, "replicationFactor": 1, "minInsyncReplicas": 1, "retentionDays": 7}},
        {"scorer": {"replicas": 1}, "deduplicator": {"replicas": 1}},
        {"replay": {"enabled": True, "id": prefix.strip("-"), "archive": {"existingClaim": "archives"}}},
        {"replay": {"archive": {"paths": [str(archive)]}, "scorers": 1}},
    )


def commands(helm, chart_values) -> dict[str, list[str]]:
    """Arguments of every container that runs ``stream-worker``, by name."""
    return {
        container["name"]: container["args"]
        for manifest in helm.render(chart_values)
        for container in containers_of(manifest)
        if container.get("command") == ["stream-worker"]
    }


@pytest.mark.timeout(600)
def test_every_command_of_the_chart_runs_with_what_the_cpu_image_has(
    helm, kafka, topic_prefix, cpu_image, tmp_path
):
    archive = tmp_path / "run-2021-05-10.avro"
    write_candidates(archive, make_candidates(N, 4))
    chart_values = values(kafka, topic_prefix, archive)
    (tmp_path / "settings.toml").write_text(
        helm.one(chart_values, "ConfigMap", "-settings")["data"]["score.toml"]
    )
    environ = {**cpu_image, "LENSNET_SETTINGS_FILE": str(tmp_path / "settings.toml")}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "stream_worker", *arguments],
            env=environ,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}{done.stderr}"
        return done.stdout

    asked = commands(helm, chart_values)
    assert set(asked) == {"scorer", "deduplicator", "topics", "test", "balance", "replay"}
    run(*asked["topics"])
    run(*asked["test"])
    codes: list[int] = []
    workers = [start_worker(*asked[stage], environ, tmp_path) for stage in ("scorer", "deduplicator")]
    with stopping(workers, lambda _name, code: codes.append(code)):
        for worker in workers:
            worker.wait_started(240)
        run(*asked["balance"])
    assert codes == [0, 0]
    assert f"{N} candidates sent" in run(*asked["replay"])
    run("archive", "--out", str(tmp_path / "dump"), "--once")
    run("replay", "remove", topic_prefix.strip("-"))


def test_the_gpu_image_has_the_same_beside_its_runtime():
    assert image_extras("gpu") - {"gpu"} == image_extras("cpu") - {"cpu"}


def test_what_an_image_lacks_is_hidden_from_every_process_of_a_command(cpu_image):
    inner = "import subprocess, sys, {0}; subprocess.run([sys.executable, '-c', 'import {1}'], check=True)"
    for names in (("onnxruntime", "pyarrow"), ("onnxruntime", "orjson"), ("matplotlib", "onnxruntime")):
        done = subprocess.run(
            [sys.executable, "-c", inner.format(*names)],
            env=cpu_image,
            capture_output=True,
            text=True,
            check=False,
        )
        assert re.search(r"No module named '(pyarrow|orjson|matplotlib)'", done.stderr)
