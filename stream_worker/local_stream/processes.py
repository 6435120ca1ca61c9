"""Worker processes of demo, benchmark and tests: started, awaited, stopped, never left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stream_worker.dev_kafka.guard import guarded

_LOG_TAIL = 3_000
_SERVING = "serving health and metrics"
_OBSERVABLE = {
    "LENSNET_HTTP__PORT": "0",
    "LENSNET_HTTP__HOST": "127.0.0.1",
    "LENSNET_LOG__FORMAT": "json",
    "LENSNET_LOG__LEVEL": "info",
}


class ProcessFailed(Exception):
    """A process ended, or did not become ready; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A running stage with its log file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int | None:
        """Port of its health end points, from its log; None until it serves them."""
        for line in self.log.read_text(errors="replace").splitlines():
            if _SERVING in line and line.startswith("{"):
                return int(json.loads(line)["port"])
        return None

    def wait_started(self, timeout_s: float = 60.0) -> None:
        """Block until ``/startupz`` answers 200.

        Raises
        ------
        ProcessFailed
            The process ended first, or took too long.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ProcessFailed(f"{self.name} ended with code {self.process.returncode}:\n{self.tail()}")
            if self._started():
                return
            time.sleep(0.1)
        raise ProcessFailed(f"{self.name} not started within {timeout_s:g} s:\n{self.tail()}")

    def stop(self, timeout_s: float = 40.0) -> int:
        """Send SIGTERM and wait for the drain; SIGKILL after ``timeout_s``. Returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def tail(self) -> str:
        """Return the end of the log."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:]

    def _started(self) -> bool:
        port = self.port
        if port is None:
            return False
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/startupz", timeout=1) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def start_worker(
    stage: str,
    environ: Mapping[str, str],
    folder: Path,
    *,
    command: Sequence[str] = (sys.executable, "-m", "stream_worker"),
) -> WorkerProcess:
    """Start ``stream-worker STAGE`` with its log in ``folder``; it ends if this process does.

    It serves on a free port of this machine unless ``environ`` names another.
    """
    log = folder / f"{stage}-{uuid.uuid4().hex[:8]}.log"
    # a session of its own: Ctrl-C reaches this process, which then drains its workers in order
    with log.open("ab") as stream:
        process = subprocess.Popen(  # noqa: S603 - our own command
            guarded([*command, stage]),
            env={**os.environ, **_OBSERVABLE, **environ},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return WorkerProcess(stage, process, log)


@contextmanager
def stopping(workers: Sequence[WorkerProcess], on_exit: Callable[[str, int], None]) -> Iterator[None]:
    """Stop every worker at the end of the block, whatever happens in it; ``on_exit`` hears exit codes."""
    try:
        yield
    finally:
        for worker in workers:
            if worker.process.poll() is None:
                worker.process.terminate()
        for worker in workers:
            on_exit(worker.name, worker.stop())
