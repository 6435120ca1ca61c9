"""A small season on disk, and values of its kind made by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.shared import made_once
from support.truth_rows import truth_row

from model_build.season.command import Order, simulate_to
from model_build.season.config import load_config
from model_build.season.sizes import SeasonSize
from model_build.season_report.record import (
    Counts,
    KindOfReview,
    LabelCounts,
    Labels,
    Reviews,
    Run,
    SeasonRecord,
)

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


def counts(**numbers):
    return Counts(**dict.fromkeys(Counts.__slots__, 0) | numbers)


@pytest.fixture
def record() -> SeasonRecord:
    """Two runs at a tenth of the events and a hundredth of the rest."""
    return SeasonRecord(
        season=2021, seed=1, scale_events=0.1, scale_false=0.01, contents="labelled", perturbed=None, stars=7,
        runs=(
            Run("2021-05-10", 9344.75, counts(flagged=4, kept=3), counts(flagged=50, crowded=40, kept=10)),
            Run("2021-05-11", 9345.75, counts(flagged=2, kept=2), counts(flagged=30, crowded=20, kept=10)),
        ),
        labels=Labels(LabelCounts(yes=20, maybe=3, no=50), LabelCounts(yes=10, maybe=3, no=10)),
        reviews=Reviews(
            (KindOfReview("event", 10, 9), KindOfReview("mira", 200, 1)), 0.005, 0.1, {0.0: 0.2, 10.0: None}
        ),
        candidates=3,
        config=load_config(),
    )  # fmt: skip
