"""A small season with labelled stars: several candidates of a star, clusters of three."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from model_build.season.truth import TRUTH_FILE, read_truth, write_truth
from stream_worker.codec import read_candidates

LABELS = ("yes", "maybe", "no")


def labelled_rows(rows):
    """Stars labelled in turn at their last run, three of a cluster; every tenth star has no label."""
    runs = {}
    for row in rows:
        runs.setdefault(row.star_id, []).append(row.run_id)
    number = {star: n for n, star in enumerate(sorted(runs))}
    return [
        replace(
            row,
            label=None if number[row.star_id] % 10 == 9 else LABELS[number[row.star_id] % 3],
            selected=row.run_id == max(runs[row.star_id]),
            first_run_id=min(runs[row.star_id]),
            last_run_id=max(runs[row.star_id]),
            cluster=number[row.star_id] // 3,
        )
        for row in rows
    ]


def copy_with(archive, target, rows):
    """The archive with another truth table."""
    shutil.copytree(archive, target)
    write_truth(target / TRUTH_FILE, rows)
    return target


@pytest.fixture(scope="session")
def star_archive(stream_archive, tmp_path_factory) -> Path:
    rows = labelled_rows(read_truth(stream_archive / TRUTH_FILE))
    return copy_with(stream_archive, tmp_path_factory.mktemp("stars") / "season", rows)


@pytest.fixture(scope="session")
def candidates(star_archive):
    """All candidates of the season by their ids."""
    found = (one for path in sorted(star_archive.glob("run-*.avro")) for one in read_candidates(path))
    return {one.candidate_id: one for one in found}
