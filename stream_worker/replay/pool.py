"""Worker processes that score chunks, as many as there are cores, and end with the replay."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any, Final

from stream_worker.archives import Archive, Archived, ArchiveFault
from stream_worker.replay.checkpoint import Checkpoint, ChunkResult
from stream_worker.replay.plan import CHUNK, Chunk
from stream_worker.replay.selection import Selection
from stream_worker.settings import Settings

_AHEAD: Final = 2  # chunks waiting per process
_IMPORTED_ONCE: Final = (
    __name__,
    "stream_worker.offline",
    "stream_worker.replay.scoring",
    "astropy_healpix",
    "onnxruntime",
    "orjson",
)
"""What every worker process needs: a second and a half of processor time that they share."""


class WorkerDied(Exception):
    """A worker process ended without a word, e.g. for want of memory."""


@dataclass(frozen=True, slots=True)
class Work:
    """What every worker process needs: copied to it once."""

    settings: Settings
    archives: tuple[Archive, ...]
    names: tuple[str, ...]
    replay_id: str
    selection: Selection
    checkpoint: Path
    skip_faults: bool


def score_chunks(work: Work, chunks: Sequence[Chunk], processes: int) -> Iterator[tuple[Chunk, int]]:
    """Score chunks and keep each in the checkpoint; yield them as they are done, with the records read.

    Raises
    ------
    ArchiveFault
        A piece can't be read and faults are not skipped; chunks in hand are finished first.
    WorkerDied
        A worker process was killed.
    """
    # forked from a process that has imported all, but opened nothing: the runtime's threads survive no fork
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED_ONCE))
    executor = ProcessPoolExecutor(processes, context, _start, (work,))
    pending: dict[Future[int], Chunk] = {}
    left = iter(chunks)
    try:
        for chunk in left:
            pending[executor.submit(_score, chunk)] = chunk
            if len(pending) >= _AHEAD * processes:
                yield from _finished(pending)
        while pending:
            yield from _finished(pending)
    except BrokenProcessPool as error:
        raise WorkerDied(
            "a worker process ended unexpectedly (killed, or out of memory): finished chunks are kept, go on"
            " with --resume"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def _finished(pending: dict[Future[int], Chunk]) -> Iterator[tuple[Chunk, int]]:
    """Wait for one at least and yield all that are done."""
    done, _ = wait(pending, return_when=FIRST_COMPLETED)
    for future in sorted(done, key=lambda one: pending[one].number):
        chunk = pending.pop(future)
        yield chunk, future.result()


class _Scoring:
    """The state of a worker process: its model is loaded once."""

    def __init__(self, work: Work) -> None:
        from stream_worker.offline import open_steps
        from stream_worker.replay.scoring import ReplayScorer
        from stream_worker.sky import SkyCells

        settings = work.settings
        self.work = work
        self.pieces = [archive.pieces for archive in work.archives]
        self.checkpoint = Checkpoint(work.checkpoint)
        self.scorer = ReplayScorer(
            settings,
            open_steps(settings),
            work.replay_id,
            work.selection,
            SkyCells(settings.rules.neighbour_radius_arcsec),
        )

    def score(self, chunk: Chunk) -> int:
        """Score a chunk, a window of it at a time, and keep it; return how many records were read."""
        rows: list[dict[str, Any]] = []
        faults: list[tuple[str, str, str]] = []
        read = 0
        for names, window in self._windows(chunk, faults):
            rows += self.scorer.rows(names, window)
            read += len(window)
        self.checkpoint.put(chunk.number, ChunkResult(rows, faults, read))
        return read

    def _windows(
        self, chunk: Chunk, faults: list[tuple[str, str, str]]
    ) -> Iterator[tuple[list[str], list[Archived]]]:
        names: list[str] = []
        window: list[Archived] = []
        for place, number in chunk.pieces:
            archive, name = self.work.archives[place], self.work.names[place]
            try:
                for one in archive.read(self.pieces[place][number]):
                    names.append(name)
                    window.append(one)
                    if len(window) == CHUNK:
                        yield names, window
                        names, window = [], []
            except ArchiveFault as fault:
                if not self.work.skip_faults:
                    raise
                faults.append((name, fault.where, fault.reason))
        if window:
            yield names, window


_scoring: _Scoring | None = None


def _start(work: Work) -> None:
    """Set a worker process up: quiet, deaf to Ctrl-C, gone when the replay is."""
    import logging

    import structlog

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    global _scoring  # noqa: PLW0603 - a process pool's initialiser has no other place for it
    _scoring = _Scoring(work)
    gc.freeze()  # modules and model live as long as the process: its collections need not walk through them


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _score(chunk: Chunk) -> int:
    if _scoring is None:
        raise AssertionError("the worker process was not set up")
    return _scoring.score(chunk)
