"""Fixtures of every kind of test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_terminal_summary(terminalreporter):
    """Say loudly when the real light curves were not at hand."""
    if not os.environ.get("LENSNET_REALDATA"):
        terminalreporter.write_line(
            "LENSNET_REALDATA is not set: the tests on real survey data did NOT run (see README, Develop)",
            yellow=True,
            bold=True,
        )


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of real survey data, or a loud skip."""
    folder = os.environ.get("LENSNET_REALDATA")
    if not folder:
        pytest.skip("LENSNET_REALDATA is not set: no real survey data here")
    path = Path(folder)
    assert path.is_dir(), f"LENSNET_REALDATA={folder} is not a folder"
    return path
