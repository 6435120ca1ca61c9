"""Structured logs: JSON lines, or readable ones on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from stream_worker.settings import LogSettings


def configure_logging(settings: LogSettings, *, stage: str, worker: str) -> None:
    """Send every log line to standard error, each with stage and worker."""
    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(sort_keys=True)
    )
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([] if console else [structlog.processors.dict_tracebacks]),
        renderer,
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(stage=stage, worker=worker)
