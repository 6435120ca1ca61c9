"""Runs a command that ends when the process that asked for it ends, however that happens, kill -9 included.

``guard.py PARENT FOLDER COMMAND…`` becomes COMMAND by exec, so the caller's child process *is* the command.
Before that it leaves a watcher behind, a process in a session of its own, which ends the command as soon as
the process PARENT is gone, and then removes FOLDER (empty: nothing to remove).

PR_SET_PDEATHSIG would be shorter, but it fires when the *thread* that started the command ends.

This file is run by path, isolated from the environment, and so imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

GRACE_S = 5.0
_POLL_S = 0.1


def guarded(command: Sequence[str], *, remove: Path | None = None) -> list[str]:
    """Return the command line that runs ``command`` tied to this process, for a child of this process.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    remove : Path, optional
        Folder that the watcher removes if this process dies before the command does.
    """
    folder = "" if remove is None else str(remove)
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), folder, *command]


def start_time(pid: int) -> int | None:
    """Return when ``pid`` started, in clock ticks since boot; None once it has ended, as a zombie too.

    A pid alone may be another process by now; pid and start time together are not. See proc(5), field 22.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # the name in brackets may hold anything
    return None if fields[0] in "ZX" else int(fields[19])


def end(pid: int, born: int, *, grace_s: float = GRACE_S) -> None:
    """End the process ``pid`` that started at ``born``: SIGTERM, and SIGKILL after ``grace_s``.

    Blocks until it has ended; returns at once if it already had.
    """
    for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, GRACE_S)):
        if start_time(pid) != born:
            return
        with contextlib.suppress(ProcessLookupError):  # it may end between the two lines
            os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while start_time(pid) == born and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def _watch(parent: int, parent_born: int | None, target: int, target_born: int, folder: str) -> None:
    while start_time(target) == target_born and start_time(parent) == parent_born:
        time.sleep(_POLL_S)
    if start_time(parent) == parent_born:
        return
    end(target, target_born)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _leave_watcher(parent: int, folder: str) -> None:
    """Fork twice, so that the watcher belongs to init and the command never sees a child it did not start."""
    target = os.getpid()
    target_born = start_time(target)
    parent_born = start_time(parent)
    if target_born is None or os.getppid() != parent:
        raise SystemExit(f"guard: process {parent} ended before its command started")
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # a reader of the command's output must see its end
            os.dup2(null, stream)
        os.chdir("/")
        _watch(parent, parent_born, target, target_born, folder)
    os._exit(0)


def _main(arguments: list[str]) -> None:
    parent, folder, *command = arguments
    _leave_watcher(int(parent), folder)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would pass that on
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 running the caller's command is this file's purpose
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)


if __name__ == "__main__":
    _main(sys.argv[1:])
