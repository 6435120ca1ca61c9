"""A small season on disk, and values of its kind made by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.season_records import season_record
from support.shared import made_once
from support.truth_rows import truth_row

from model_build.season.command import Order, simulate_to
from model_build.season.sizes import SeasonSize
from model_build.season_report.record import SeasonRecord

WEEK = {"season_end": "06-13", "first_run": "06-07", "last_run": "06-11"}
SIZE = SeasonSize(events=0.02, false=0.0004, changes={"cadence": WEEK})


@pytest.fixture(scope="session")
def season(season_cache, tmp_path_factory) -> Path:
    """A simulated archive with a dozen labelled stars; to be left as it is."""
    return made_once(
        tmp_path_factory,
        "reported-season",
        lambda folder: simulate_to(folder, Order(2021, 5, SIZE), cache=season_cache),
    )


@pytest.fixture
def archive(season, tmp_path) -> Path:
    """A copy of the archive to spoil."""
    return shutil.copytree(season, tmp_path / "archive")


@pytest.fixture
def silent():
    return lambda *_: None


@pytest.fixture
def make_row():
    """Rows of the truth: `make_row(number, kind, label, **other)`."""

    return truth_row


@pytest.fixture
def record() -> SeasonRecord:
    """Two runs at a tenth of the events and a hundredth of the rest."""
    return season_record()
