from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from stream_worker.dev_kafka.errors import DownloadError, MissingToolError
from stream_worker.dev_kafka.jars import POM, cache_folder, fetch_jars, jars_folder

DELIVER = """
for word in "$@"; do case "$word" in -DoutputDirectory=*) out="${word#*=}";; esac; done
echo fetched >> "$COUNT"
sleep 0.3
: > "$out/kafka_2.13-4.jar"
"""


@pytest.fixture
def env(tmp_path):
    """An empty cache, and a PATH with the usual tools but without Java and Maven of the machine."""
    (tmp_path / "bin").mkdir()
    return {
        "PATH": f"{tmp_path / 'bin'}:/bin",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "COUNT": str(tmp_path / "count"),
    }


def maven(tmp_path, text):
    file = tmp_path / "bin" / "mvn"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def silent(line: str) -> None:
    del line


def test_the_cache_is_keyed_by_the_pom(env, tmp_path):
    assert cache_folder(env) == tmp_path / "cache" / "lensnet"
    assert jars_folder(env).parent == cache_folder(env)
    assert len(jars_folder(env).name) == len("kafka-") + 16


def test_the_pom_names_versions_and_no_host():
    root = ET.fromstring(POM.read_text())  # noqa: S314 our own file
    pom = {"": "http://maven.apache.org/POM/4.0.0"}
    assert root.find("repositories", pom) is None
    for dependency in root.findall("dependencies/dependency", pom):
        assert dependency.findtext("version", namespaces=pom)[0].isdigit()


def test_jars_are_fetched_once_and_said_so(env, tmp_path):
    maven(tmp_path, DELIVER)
    said = []
    first = fetch_jars(env, said.append)
    (tmp_path / "bin" / "mvn").unlink()  # a second fetch would now fail
    assert fetch_jars(env, said.append) == first == jars_folder(env)
    assert [file.name for file in sorted(first.iterdir())] == ["kafka_2.13-4.jar", "pom.xml"]
    assert len(said) == 1
    assert str(first) in said[0]


def test_processes_that_ask_at_the_same_time_fetch_once(env, tmp_path):
    maven(tmp_path, DELIVER)
    script = (
        "import os; from stream_worker.dev_kafka.jars import fetch_jars; print(fetch_jars(os.environ, print))"
    )
    asking = [
        subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE) for _ in range(3)
    ]
    for process in asking:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert output.decode().splitlines()[-1] == str(jars_folder(env))
    assert (tmp_path / "count").read_text() == "fetched\n"


def test_a_failed_download_shows_mavens_last_words_and_leaves_nothing(env, tmp_path):
    maven(tmp_path, "seq 1 100; echo '[ERROR] Could not transfer artifact'; exit 1")
    with pytest.raises(DownloadError) as raised:
        fetch_jars(env, silent)
    lines = str(raised.value).splitlines()
    assert "ended with code 1" in lines[0]
    assert lines[-1] == "[ERROR] Could not transfer artifact"
    assert "50" not in lines  # only the tail
    assert not jars_folder(env).exists()
    assert not list(cache_folder(env).glob("*.partial"))


def test_a_maven_that_delivers_no_kafka_is_a_failure_too(env, tmp_path):
    maven(tmp_path, "exit 0")
    with pytest.raises(DownloadError, match="ended with code 0 but delivered no kafka jar"):
        fetch_jars(env, silent)
    assert not jars_folder(env).exists()


def test_what_a_killed_fetch_left_behind_is_swept_away(env, tmp_path):
    partial = jars_folder(env).with_name(f"{jars_folder(env).name}.partial")
    partial.mkdir(parents=True)
    (partial / "half.jar").touch()
    maven(tmp_path, DELIVER)
    assert not (fetch_jars(env, silent) / "half.jar").exists()


def test_without_maven_the_first_fetch_says_so(env, tmp_path):
    with pytest.raises(MissingToolError, match="mvn is not on PATH"):
        fetch_jars({**env, "PATH": str(tmp_path / "bin")}, silent)
