"""Simulated candidates for demo, benchmark and tests: the season simulator as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stream_worker.dev_kafka.guard import guarded
from stream_worker.local_stream.processes import ProcessFailed

_LOG_TAIL = 2_000


@contextmanager
def simulation(candidates: int, seed: int, folder: Path) -> Iterator[Callable[[], list[Path]]]:
    """Run ``model-build simulate --candidates`` beside the block; it ends with it at the latest.

    Parameters
    ----------
    folder
        For the season, its schedules and the log.

    Yields
    ------
    callable
        Waits for the simulation and returns the run files, in order of their runs; raises
        `ProcessFailed` with the end of the log.
    """
    out, log = folder / "season", folder / "simulate.log"
    command = [sys.executable, "-m", "model_build", "simulate", "--out", str(out)]
    command += ["--candidates", str(candidates), "--seed", str(seed)]
    command += ["--cache", str(folder / "schedules")]  # its worker processes share what the first makes
    with (
        log.open("wb") as stream,
        subprocess.Popen(  # noqa: S603 - our own command
            guarded(command),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,  # a process group, to end its worker processes with it
        ) as process,
    ):

        def files() -> list[Path]:
            if process.wait() != 0:
                tail = log.read_text(errors="replace")[-_LOG_TAIL:]
                raise ProcessFailed(f"model-build simulate failed:\n{tail}")
            return sorted(out.glob("run-*.avro"))

        try:
            yield files
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
