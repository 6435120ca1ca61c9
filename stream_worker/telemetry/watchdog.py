"""Ends a process whose loop is stuck in a call that never returns."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import copy_context
from threading import Event, Thread

import structlog

from stream_worker.telemetry.health import Health

log = structlog.get_logger(__name__)


class Watchdog:
    """Exits the process, code 1, once the loop has not gone round within its limit.

    librdkafka can block past every time-out it is given (its issue 5511), and a blocked call cannot be
    interrupted. Nothing is lost: the broker aborts the open transaction, and a restarted worker goes on.
    """

    def __init__(
        self, health: Health, *, interval_s: float = 1.0, end: Callable[[int], object] = os._exit
    ) -> None:
        self._health = health
        self._interval_s = interval_s
        self._end = end
        self._closed = Event()
        # in the caller's context: its log lines name stage and worker
        self._thread = Thread(target=copy_context().run, args=(self._watch,), name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching. Blocks for a moment."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(self._interval_s):
            alive, reason = self._health.check("livez")
            if not alive:
                log.critical("the loop is stuck, exiting", reason=reason)
                self._end(1)
                return
