"""A small labelled season with short light curves, and the bundle that ships."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.season_records import season_record

from model_build.season.truth import TRUTH_FILE, read_truth, write_truth
from model_build.season_report.record import SeasonRecord
from stream_worker.bundle import load_bundle
from stream_worker.bundle.shipped import shipped_bundle

LABELS = ("yes", "maybe", "no")


@pytest.fixture(scope="session")
def bundle():
    return load_bundle(shipped_bundle())


@pytest.fixture(scope="session")
def season(labelled_archive, tmp_path_factory) -> Path:
    """Stars labelled in turn at their last run, a tenth of them without label; a cluster each."""
    folder = tmp_path_factory.mktemp("evaluated") / "season"
    shutil.copytree(labelled_archive, folder)
    rows = read_truth(folder / TRUTH_FILE)
    runs: dict[str, list[str]] = {}
    for row in rows:
        runs.setdefault(row.star_id, []).append(row.run_id)
    number = {star: n for n, star in enumerate(sorted(runs))}
    labelled = [
        replace(
            row,
            label=None if number[row.star_id] % 10 == 9 else LABELS[number[row.star_id] % 3],
            selected=row.run_id == max(runs[row.star_id]),
            first_run_id=min(runs[row.star_id]),
            last_run_id=max(runs[row.star_id]),
            cluster=number[row.star_id],
        )
        for row in rows
    ]
    write_truth(folder / TRUTH_FILE, labelled)
    return folder


@pytest.fixture
def record() -> SeasonRecord:
    """What a small season's summary says."""
    return season_record()
