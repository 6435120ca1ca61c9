"""Options that several commands share."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click
from confluent_kafka import KafkaError, KafkaException
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from stream_worker.cli import EXIT_FAILED, EXIT_USAGE
from stream_worker.settings import Settings, SettingsError, load_settings

_SILENT = frozenset(
    {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE}  # noqa: SLF001 - local codes start so
)
_TIMED_OUT = KafkaError(KafkaError._TIMED_OUT).str()  # noqa: SLF001
_NAME_ANOTHER = "set KAFKA_BOOTSTRAP_SERVERS or --bootstrap-servers (`make kafka-up` starts one)"
_LINE_EVERY_S = 3.0
_PIPE_WIDTH = 160
_REPORTED = (
    ("stream_worker.bundle", "BundleError", EXIT_USAGE),
    ("stream_worker.scoring", "ProviderUnavailable", EXIT_USAGE),
    ("stream_worker.scoring", "ScorerBroken", EXIT_FAILED),
    ("stream_worker.codec", "RegistryUnavailable", EXIT_FAILED),
    ("stream_worker.codec.registry", "RegistrationRefusedError", EXIT_FAILED),
    ("stream_worker.kafka.errors", "ProducerFatal", EXIT_FAILED),
    ("stream_worker.kafka.errors", "TransactionAborted", EXIT_FAILED),
)
"""Errors told in one line. A registry that fails at the start is a SettingsError: here are later ones."""


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--settings`` and ``--bootstrap-servers`` and pass the loaded settings as first argument."""

    @click.option("--settings", "file", type=click.Path(path_type=Path), help="TOML settings file.")
    @click.option("--bootstrap-servers", help="Broker; also KAFKA_BOOTSTRAP_SERVERS.")
    @wraps(command)
    def wrapper(*args: Any, file: Path | None, bootstrap_servers: str | None, **options: Any) -> Any:
        overrides = {"kafka": {"bootstrap_servers": bootstrap_servers}} if bootstrap_servers else {}
        with reported_errors():
            settings = load_settings(os.environ, file=file, overrides=overrides)
            with broker_errors(settings):
                return command(settings, *args, **options)

    return wrapper


def fail(message: str) -> NoReturn:
    """Print an error and exit with 1."""
    click.echo(f"Error: {message}", err=True)
    sys.exit(EXIT_FAILED)


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn errors of the settings, bundle, provider and registry into a message and exit code 1 or 2."""
    try:
        yield
    except SettingsError as error:
        click.echo(f"Error: the settings cannot be used:\n{error}", err=True)
        sys.exit(EXIT_USAGE)
    except Exception as error:
        exit_code = _exit_code(error)
        if exit_code is None:
            raise
        click.echo(f"Error: {error}", err=True)
        sys.exit(exit_code)


def _exit_code(error: Exception) -> int | None:
    """Exit code of an error that needs no traceback, None for any other one."""
    for module, name, exit_code in _REPORTED:
        # a module that isn't loaded has raised nothing: importing it here would need optional packages
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return exit_code
    return None


@contextmanager
def broker_errors(settings: Settings) -> Iterator[None]:
    """Turn Kafka errors into one line and exit code 1."""
    try:
        yield
    except KafkaException as error:
        fail(broker_fault(error, settings.kafka.bootstrap_servers, _remedy(settings)))
    except TimeoutError as error:
        if error.args:  # the one of an admin request that was given up has none
            raise
        fail(f"{_late(settings.kafka.bootstrap_servers)}: {_remedy(settings)}")


def broker_fault(error: KafkaException, servers: str, remedy: str) -> str:
    """Say in one line what went wrong at a broker, with the remedy where it may be the wrong one."""
    reason = error.args[0]
    if not isinstance(reason, KafkaError):
        return f"{reason} (broker {servers})"
    if reason.code() in _SILENT:
        return f"no broker answers at {servers}: {remedy}; {reason.str()}"
    if _TIMED_OUT in reason.str():
        return f"{_late(servers)}: {remedy}; {reason.str()}"
    return f"{reason.name()}: {reason.str()} (broker {servers})"


def _late(servers: str) -> str:
    return f"the broker at {servers} did not answer in time"


def _remedy(settings: Settings) -> str:
    if settings.kafka.properties or settings.kafka.secret_files:
        return f"{_NAME_ANOTHER}, or mend the login in [kafka.properties]"
    return _NAME_ANOTHER


def examples(*lines: str) -> str:
    """Epilog with examples; the marker keeps click from rewrapping it."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@dataclass(frozen=True, slots=True)
class Progress:
    """How a long command reports on standard error: how many are done, and lines of text.

    ``resumed`` takes how many were done before, which say nothing about the rate.
    """

    advance: Callable[[int], None]
    say: Callable[[str], None]
    resumed: Callable[[int], None]


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Progress]:
    """Report progress, rate and time left: a bar on a terminal, a line every few seconds elsewhere."""
    console = Console(stderr=True, highlight=False)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bar(*columns, TextColumn("{task.fields[pace]}"), console=console) as bar:
            task = bar.add_task(title, total=total, pace="")
            pace = _Pace(total)

            def resumed(done: int) -> None:
                pace.start(done)
                bar.update(task, completed=done)

            yield Progress(lambda done: bar.update(task, completed=done, pace=pace.text(done)), say, resumed)
        return
    last, pace = [time.monotonic()], _Pace(total)

    def line(done: int) -> None:
        if done == total or time.monotonic() - last[0] > _LINE_EVERY_S:
            last[0] = time.monotonic()
            say(f"{title}: {done}{'' if total is None else f' of {total}'}{pace.text(done)}")

    yield Progress(line, say, pace.start)


class _Pace:
    """Rate since the start, and the time left at that rate."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self.start(0)

    def start(self, done: int) -> None:
        """Begin to count, with so many behind."""
        self._done, self._began = done, time.monotonic()

    def text(self, done: int) -> str:
        """``, 250 a second, 1:12 left``; empty while there is nothing to tell."""
        seconds, gained = time.monotonic() - self._began, done - self._done
        if seconds <= 0 or gained <= 0:
            return ""
        rate = gained / seconds
        text = f", {rate:.3g} a second"
        if self._total is None or done >= self._total:
            return text
        minutes, seconds_left = divmod(round((self._total - done) / rate), 60)
        return f"{text}, {minutes}:{seconds_left:02d} left"


def output_console() -> Console:
    """Console for tables on standard output; where that is no terminal, wide enough for all of them."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
