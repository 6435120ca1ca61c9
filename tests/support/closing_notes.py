"""Lines for the end of the run, whichever worker they come from; registered as a plugin."""

from __future__ import annotations

import pytest

NOTES = pytest.StashKey[list[str]]()
_FIELD = "closing notes"


def note(config: pytest.Config, line: str) -> None:
    """Have ``line`` printed at the end of the run."""
    config.stash.setdefault(NOTES, []).append(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the notes of a worker to the process that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_FIELD] = session.config.stash.get(NOTES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    for line in getattr(node, "workeroutput", {}).get(_FIELD, []):
        note(node.config, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(NOTES, []):
        terminalreporter.write_line(line)
