"""Who does the work: this process alone, or several, with results in order and bounded memory."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Protocol, TypeVar

from threadpoolctl import threadpool_limits

Task = TypeVar("Task")
Result = TypeVar("Result")


class Crew(Protocol):
    """Applies a function to tasks."""

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Results in the order of the tasks. Blocks as they are consumed."""


class Alone:
    """`Crew` of this process."""

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Results one by one, each when asked for."""
        return (function(task) for task in tasks)


@dataclass(frozen=True, slots=True)
class Processes:
    """`Crew` of processes; ``ahead`` is the most tasks that wait or are done but not yet asked for."""

    pool: ProcessPoolExecutor
    ahead: int

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Results in order; tasks are taken from their iterator only ``ahead`` of what is consumed."""
        begun: deque[Future[Result]] = deque()
        for task in tasks:
            begun.append(self.pool.submit(function, task))
            if len(begun) >= self.ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


@contextmanager
def open_crew(number: int) -> Iterator[Crew]:
    """Give a crew of ``number`` processes; others than this end with the block, whatever ends it."""
    if number == 1:
        with threadpool_limits(1):
            yield Alone()
        return
    pool = ProcessPoolExecutor(number, get_context("spawn"), _begin)
    try:
        yield Processes(pool, 3 * number)
    finally:
        pool.shutdown(cancel_futures=True)


def in_chunks(items: Iterable[Task], size: int) -> Iterator[tuple[Task, ...]]:
    """Yield tuples of ``size`` items, the last perhaps shorter."""
    rest = iter(items)
    while chunk := tuple(islice(rest, size)):
        yield chunk


def _begin() -> None:
    """Initialise a worker process; an interrupt is its parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threadpool_limits(1)  # small matrices: threads of several processes would be in each other's way
