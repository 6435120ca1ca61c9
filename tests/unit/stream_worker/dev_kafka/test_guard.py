"""The guard with real processes: whatever becomes of the caller, its command ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stream_worker.dev_kafka.guard import end, guarded, start_time

PATIENCE_S = 30


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"after {PATIENCE_S} s: {what}"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    return start_time(pid) is None


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(guarded(command), capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_the_command_is_the_callers_own_child_with_its_arguments_output_and_code():
    result = run("sh", "-c", 'echo "$PPID $1"; echo oh >&2; exit 3', "sh", "a b")
    assert (result.returncode, result.stdout, result.stderr) == (3, f"{os.getpid()} a b\n", "oh\n")


def test_commands_that_cannot_run_end_like_in_a_shell(tmp_path):
    missing = run("no-such-command-anywhere")
    assert (missing.returncode, missing.stderr) == (
        127,
        "no-such-command-anywhere: No such file or directory\n",
    )
    (tmp_path / "text").write_text("not a program")
    assert run(str(tmp_path / "text")).returncode == 126


def test_the_command_dies_of_a_closed_pipe_as_any_other():
    assert run("sh", "-c", "kill -PIPE $$; echo survived").returncode == -signal.SIGPIPE


def test_the_command_outlives_the_thread_that_started_it():
    started = []
    thread = threading.Thread(target=lambda: started.append(subprocess.Popen(guarded(["sleep", "600"]))))
    thread.start()
    thread.join()
    with started[0] as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()


@pytest.mark.parametrize("ignores_sigterm", [False, True])
def test_a_caller_killed_outright_takes_its_command_and_folder_along(tmp_path, ignores_sigterm):
    data = tmp_path / "data"
    data.mkdir()
    trap = "trap '' TERM; " if ignores_sigterm else ""
    command = ["sh", "-c", f"{trap}echo $$; while :; do sleep 0.2; done"]
    caller = f"""
import subprocess
from pathlib import Path
from stream_worker.dev_kafka.guard import guarded
subprocess.run(guarded({command!r}, remove=Path({str(data)!r})))
"""
    with subprocess.Popen([sys.executable, "-c", caller], stdout=subprocess.PIPE, text=True) as process:
        command_pid = int(process.stdout.readline())
        assert not gone(command_pid)
        process.kill()
        process.wait()
        wait_until(lambda: gone(command_pid), "the command still runs")
        wait_until(lambda: not data.exists(), "its folder is still there")


def test_a_folder_stays_when_only_the_command_ends(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(guarded(["true"], remove=data), check=True)
    watchers = [
        int(file.parent.name)
        for file in Path("/proc").glob("[0-9]*/cmdline")
        if str(data).encode() in file.read_bytes()
    ]
    wait_until(lambda: all(gone(pid) for pid in watchers), "the watcher still runs")
    assert data.is_dir()


def test_a_zombie_counts_as_ended():
    with subprocess.Popen(["sleep", "600"]) as process:
        assert start_time(process.pid) is not None
        process.kill()
        wait_until(lambda: gone(process.pid), "the zombie counts as running")  # not waited for until here
        process.wait()


def test_end_leaves_a_later_process_of_the_same_pid_alone():
    with subprocess.Popen(["sleep", "600"]) as process:
        born = start_time(process.pid)
        end(process.pid, born - 1)
        assert start_time(process.pid) == born
        end(process.pid, born)
        assert process.wait(PATIENCE_S) == -signal.SIGTERM
