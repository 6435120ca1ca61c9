from __future__ import annotations

import json

import pytest
import structlog

from stream_worker.settings import LogSettings
from stream_worker.telemetry.logs import configure_logging


@pytest.fixture(autouse=True)
def _restore():
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def password_of(length: int) -> str:
    """Made here, so that no quoted line of source holds it."""
    return "hunter23456789"[:length]


def fails(password: str) -> None:
    raise RuntimeError(f"refused a password of {len(password)} letters")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_does_not_show_local_variables(form, capsys):
    configure_logging(LogSettings(format=form), stage="score", worker="w")
    try:
        fails(password_of(7))
    except RuntimeError:
        structlog.get_logger().exception("broken")
    text = capsys.readouterr().err
    assert "refused a password of 7 letters" in text
    assert "fails" in text  # the frame itself is there
    assert "hunter2" not in text


def test_json_lines_carry_stage_worker_and_structured_tracebacks(capsys):
    configure_logging(LogSettings(format="json"), stage="score", worker="w")
    try:
        fails("")
    except RuntimeError:
        structlog.get_logger().exception("broken")
    line = json.loads(capsys.readouterr().err)
    assert (line["stage"], line["worker"], line["level"]) == ("score", "w", "error")
    assert line["exception"][0]["exc_type"] == "RuntimeError"
