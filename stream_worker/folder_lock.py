"""One process at a time in a folder: a lock that ends with the process, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def only_one(lock: Path, in_use: Exception) -> Iterator[None]:
    """Hold the lock file, which is left behind, within the block.

    Raises
    ------
    Exception
        ``in_use``, where another process holds it.
    OSError
        It can't be made.
    """
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise in_use from None
        yield
