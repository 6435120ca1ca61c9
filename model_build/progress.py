"""Progress of long steps on standard error: bars on a terminal, a line for every tenth elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import click
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TaskID

Progress = Callable[[str, int, int], None]
"""Hears a step's name, how much of it is done and how much there is."""


@contextmanager
def progress_on_stderr(says: Mapping[str, str] = MappingProxyType({})) -> Iterator[Progress]:
    """Give a `Progress` that shows each step, under its own name unless ``says`` has words for it."""
    if not sys.stderr.isatty():
        yield _Lines(says)
        return
    with Bars(console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(says.get(step, step), total=total)
            bars.update(tasks[step], completed=done)

        yield show


class _Lines:
    """A line for every tenth of each step."""

    def __init__(self, says: Mapping[str, str]) -> None:
        self._says = says
        self._told: dict[str, int] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > self._told.get(step, 0):
            self._told[step] = tenth
            click.echo(f"{self._says.get(step, step)}: {done:,} of {total:,}", err=True)
