"""``python -m stream_worker.dev_kafka`` as a user or a Makefile runs it; no process may be left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream_worker.dev_kafka.background import find
from stream_worker.dev_kafka.jars import cache_folder, fetch_jars, jars_folder
from stream_worker.dev_kafka.readiness import answers

PATIENCE_S = 60


@pytest.fixture
def env(tmp_path):
    """Nodes live under ``tmp_path``, so that their processes are known by their command lines."""
    given = {name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP_SERVERS"}
    fetch_jars(given, print)
    return {**given, "TMPDIR": str(tmp_path)}


@pytest.fixture
def own_cache(env, tmp_path):
    """A cache folder, and so a background node, of this test's own, with the jars already in it."""
    cache = tmp_path / "cache"
    (cache / "lensnet").mkdir(parents=True)
    (cache / "lensnet" / jars_folder(env).name).symlink_to(jars_folder(env))
    return {**env, "XDG_CACHE_HOME": str(cache)}


def dev_kafka(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream_worker.dev_kafka", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


def start_run(*command: str, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stream_worker.dev_kafka", "run", "--", *command],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def waiting_command(of: Path) -> list[str]:
    """A command that says so when it runs, waits for a signal, and can be found by ``of``."""
    return [sys.executable, "-c", f"print('ready', flush=True); import time; time.sleep(600)  # {of}"]


def processes(of: Path) -> list[list[str]]:
    """Command lines of all processes that name a path under ``of``."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has just ended
        if str(of) in command:
            found.append(command.split("\0"))
    return found


def java_runs(of: Path) -> bool:
    return any("kafka.Kafka" in command for command in processes(of))


def wait_until_gone(of: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while left := processes(of):
        assert time.monotonic() < deadline, f"still running after {PATIENCE_S} s: {left}"
        time.sleep(0.1)


def node_folders(tmp_path: Path) -> list[Path]:
    return list(tmp_path.glob("lensnet-kafka-*"))


def test_run_exits_with_the_code_of_its_command_and_keeps_the_log_of_a_failure(env, tmp_path):
    result = dev_kafka("run", "--", "sh", "-c", 'echo "at $KAFKA_BOOTSTRAP_SERVERS"; exit 7', env=env)
    assert result.returncode == 7
    assert result.stdout.startswith("at 127.0.0.1:")
    (folder,) = node_folders(tmp_path)
    assert f"ended with code 7; Kafka's log is kept: {folder / 'server.log'}" in result.stderr
    assert "Kafka Server started" in (folder / "server.log").read_text()
    assert not (folder / "data").exists()
    wait_until_gone(tmp_path)


def test_run_leaves_nothing_after_a_command_that_succeeds(env, tmp_path):
    check = "import os; from stream_worker.dev_kafka.readiness import answers\n"
    check += "assert answers(os.environ['KAFKA_BOOTSTRAP_SERVERS'], timeout_s=10)"
    result = dev_kafka("run", "--", sys.executable, "-c", check, env=env)
    assert (result.returncode, result.stderr) == (0, "")
    assert node_folders(tmp_path) == []
    wait_until_gone(tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_run_that_is_told_to_end_stops_command_and_node(env, tmp_path, number, code):
    with start_run(*waiting_command(tmp_path), env=env) as run:
        assert run.stdout.readline() == "ready\n"
        assert java_runs(tmp_path)
        run.send_signal(number)
        assert run.wait(PATIENCE_S) == code
    assert node_folders(tmp_path) == []
    wait_until_gone(tmp_path)


def test_ctrl_c_while_the_node_starts_leaves_nothing(env, tmp_path):
    with start_run("true", env=env) as run:
        deadline = time.monotonic() + PATIENCE_S
        while not java_runs(tmp_path):
            assert time.monotonic() < deadline, "Kafka's process never appeared"
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        assert run.wait(PATIENCE_S) == 130
    assert node_folders(tmp_path) == []
    wait_until_gone(tmp_path)


def test_run_killed_outright_takes_command_node_and_data_with_it(env, tmp_path):
    with start_run(*waiting_command(tmp_path), env=env) as run:
        assert run.stdout.readline() == "ready\n"
        assert java_runs(tmp_path)
        run.kill()
        run.wait(PATIENCE_S)
    wait_until_gone(tmp_path)
    assert [folder for folder in node_folders(tmp_path) if (folder / "data").exists()] == []


def test_up_is_idempotent_and_outlives_its_caller_and_down_removes_everything(own_cache, tmp_path):
    first = dev_kafka("up", env=own_cache)
    try:
        assert first.returncode == 0, first.stderr
        name, servers = first.stdout.strip().split("=")
        assert name == "KAFKA_BOOTSTRAP_SERVERS"
        assert answers(servers, timeout_s=10)
        again = dev_kafka("up", env=own_cache)
        assert again.stdout == first.stdout
        assert "already running" in again.stderr
        status = dev_kafka("status", env=own_cache)
        assert (status.returncode, status.stdout) == (0, first.stdout)

        os.kill(find(own_cache).pid, signal.SIGKILL)
        wait_until_gone(tmp_path)
        status = dev_kafka("status", env=own_cache)
        assert (status.returncode, status.stdout) == (1, "")
        assert "has died" in status.stderr
        replacement = dev_kafka("up", env=own_cache)
        assert replacement.returncode == 0, replacement.stderr
        assert "has died; starting another" in replacement.stderr
        assert len(node_folders(tmp_path)) == 1
        assert java_runs(tmp_path)
    finally:
        down = dev_kafka("down", env=own_cache)
    assert down.returncode == 0
    assert "removed its data" in down.stderr
    assert dev_kafka("status", env=own_cache).returncode == 1
    assert node_folders(tmp_path) == []
    wait_until_gone(tmp_path)


def test_a_second_start_needs_no_maven(env, tmp_path):
    bare = {name: value for name, value in env.items() if name not in ("PATH", "JAVA_HOME")}
    tools = tmp_path / "tools"
    tools.mkdir()
    result = dev_kafka("fetch", env={**bare, "PATH": str(tools), "HOME": str(Path.home())})
    assert (result.returncode, result.stdout.strip()) == (0, str(jars_folder(env)))
    assert not list(cache_folder(env).glob("*.partial"))
