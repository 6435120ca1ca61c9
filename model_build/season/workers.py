"""Who does the work of a season: this process alone, or several processes, each with its own bench."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, Protocol

from threadpoolctl import threadpool_limits

from model_build.season.work import Bench, SeasonPlan

Chunk = Sequence[Any]


class Workers(Protocol):
    """Runs a method of `work.Bench` over chunks of items."""

    def map(self, method: str, chunks: Iterable[Chunk]) -> Iterator[Any]:
        """Results of ``method``, one per chunk, in the order of the chunks. Blocks as they are consumed."""


class HereAlone:
    """`Workers` in this process."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def map(self, method: str, chunks: Iterable[Chunk]) -> Iterator[Any]:
        """Results chunk by chunk, each when asked for."""
        return (getattr(self._bench, method)(chunk) for chunk in chunks)


class ProcessWorkers:
    """`Workers` in processes that `set_bench` has initialised; if one dies the season stops with an error."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def map(self, method: str, chunks: Iterable[Chunk]) -> Iterator[Any]:
        """Results chunk by chunk, in order; the processes work ahead."""
        return self._pool.map(_call, [(method, chunk) for chunk in chunks])


def in_chunks(items: Sequence[Any], size: int) -> list[Chunk]:
    """Cut items into chunks of ``size``, the last perhaps shorter."""
    return [items[i : i + size] for i in range(0, len(items), size)]


@contextmanager
def open_workers(plan: SeasonPlan, bench: Bench, number: int) -> Iterator[Workers]:
    """Give ``number`` workers; other processes end with the block, whatever ends it."""
    if number == 1:
        with threadpool_limits(1):
            yield HereAlone(bench)
        return
    pool = ProcessPoolExecutor(number, get_context("spawn"), set_bench, (plan,))
    try:
        yield ProcessWorkers(pool)
    finally:
        pool.shutdown(cancel_futures=True)


_BENCH: list[Bench] = []
"""The bench of a worker process, set once by its initialiser."""


def set_bench(plan: SeasonPlan) -> None:
    """Initialise a worker process of a pool; an interrupt is its parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threadpool_limits(1)  # small matrices: threads of two processes would only be in each other's way
    _BENCH[:] = [Bench(plan)]


def _call(task: tuple[str, Chunk]) -> Any:
    method, chunk = task
    return getattr(_BENCH[0], method)(chunk)
