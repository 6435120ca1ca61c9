"""Kafka's jars: fetched once with Maven into a cache folder keyed by the pom."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stream_worker.dev_kafka.errors import DownloadError
from stream_worker.dev_kafka.guard import guarded
from stream_worker.dev_kafka.tools import require_maven

POM = Path(__file__).with_name("pom.xml")
_PATIENCE_S = 900
_TAIL_LINES = 25


def cache_folder(env: Mapping[str, str]) -> Path:
    """Return ``$XDG_CACHE_HOME/lensnet``, ``~/.cache/lensnet`` without it."""
    root = env.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "lensnet"


def jars_folder(env: Mapping[str, str]) -> Path:
    """Return where the jars of this pom are, or will be once fetched."""
    return cache_folder(env) / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"


def fetch_jars(env: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """Return the folder with Kafka's jars, fetching them first if they are not there yet.

    The folder appears whole or not at all, and processes that ask at the same time fetch once between them.
    Blocks for as long as the download takes.

    Raises
    ------
    MissingToolError
        The jars are not there and neither is ``mvn``.
    DownloadError
        Maven failed.
    """
    folder = jars_folder(env)
    if folder.is_dir():
        return folder
    with locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():  # another process may have fetched them while this one waited
            _fetch(folder, env, say)
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file ``path``; blocks while another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(folder: Path, env: Mapping[str, str], say: Callable[[str], None]) -> None:
    maven = require_maven(env)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    say(f"fetching Kafka's jars with Maven into {folder} (43 MB, once)")
    try:
        shutil.copy(POM, partial)
        _copy_dependencies(maven, partial, env)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy_dependencies(maven: str, folder: Path, env: Mapping[str, str]) -> None:
    command = [
        maven,
        "--quiet",
        "--batch-mode",
        "--strict-checksums",
        "-Dstyle.color=never",
        f"--file={folder / POM.name}",
        "dependency:copy-dependencies",
        f"-DoutputDirectory={folder}",
    ]
    shown = "mvn dependency:copy-dependencies"
    try:
        answer = subprocess.run(  # noqa: S603 Maven with arguments of our own
            guarded(command),
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{shown} for Kafka's jars was not done after {_PATIENCE_S} s") from error
    if answer.returncode != 0 or not list(folder.glob("kafka_*.jar")):
        tail = "\n".join(answer.stdout.splitlines()[-_TAIL_LINES:])
        raise DownloadError(
            f"{shown} for Kafka's jars ended with code {answer.returncode}"
            f"{'' if answer.returncode else ' but delivered no kafka jar'}; its last lines:\n{tail}"
        )
