from __future__ import annotations

import json

import pytest

from model_build.season.summary import SUMMARY_FILE
from model_build.season.truth import TRUTH_FILE, read_truth, write_truth
from model_build.season_report.archive import BadArchive, open_archive
from stream_worker.codec import read_candidates, write_candidates


def run_files(directory):
    return sorted(directory.glob("run-*.avro"))


def change_summary(directory, **changes):
    path = directory / SUMMARY_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_every_candidate_comes_once_with_its_truth(season):
    archive = open_archive(season)
    found = list(archive.candidates())
    assert len(found) == archive.record.candidates > 0
    assert all(row.candidate_id == candidate.candidate_id for row, candidate in found)
    assert {row.candidate_id for row, _ in found} == set(archive.rows)


def test_no_folder_an_empty_one_and_a_foreign_one(tmp_path):
    with pytest.raises(BadArchive, match="nowhere: no such folder"):
        open_archive(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(
        BadArchive, match=f"no archive of a season, expected {SUMMARY_FILE}, {TRUTH_FILE}, run-"
    ):
        open_archive(tmp_path)


@pytest.mark.parametrize("name", [SUMMARY_FILE, TRUTH_FILE])
def test_a_missing_file_is_named(archive, name):
    (archive / name).unlink()
    with pytest.raises(BadArchive, match=f"archive: {name} missing"):
        open_archive(archive)


def test_runs_missing_altogether_are_named(archive):
    for path in run_files(archive):
        path.unlink()
    with pytest.raises(BadArchive, match=r"run-\*\.avro missing"):
        open_archive(archive)


def test_another_version_is_refused(archive):
    change_summary(archive, season_version=99)
    with pytest.raises(BadArchive, match=r"season\.json: season_version 99, expected 1"):
        open_archive(archive)


def test_a_summary_that_lacks_something_is_refused(archive):
    change_summary(archive, reviews={})
    with pytest.raises(BadArchive, match=r"season\.json: reviews\.by_kind: Field required"):
        open_archive(archive)


def test_truth_that_is_none_is_refused(archive):
    (archive / TRUTH_FILE).write_bytes(b"star,label\n")
    with pytest.raises(BadArchive, match=TRUTH_FILE):
        open_archive(archive)


def test_counts_that_differ_are_told(archive):
    rows = read_truth(archive / TRUTH_FILE)
    write_truth(archive / TRUTH_FILE, rows[1:])
    with pytest.raises(
        BadArchive, match=f"counts {len(rows)} candidates, {TRUTH_FILE} has {len(rows) - 1} rows"
    ):
        open_archive(archive)


def test_an_archive_without_candidates_is_refused(archive):
    write_truth(archive / TRUTH_FILE, [])
    change_summary(archive, candidates=0)
    with pytest.raises(BadArchive, match="holds no candidates"):
        open_archive(archive)


def test_a_damaged_run_file_is_named(archive):
    path = run_files(archive)[0]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadArchive, match=path.name):
        list(open_archive(archive).candidates())


def test_candidates_without_packets_are_counted(archive):
    path = run_files(archive)[0]
    missing = sorted(candidate.candidate_id for candidate in read_candidates(path))
    path.unlink()
    with pytest.raises(BadArchive, match=f"{len(missing)} candidates of .* the first is {missing[0]} of run"):
        list(open_archive(archive).candidates())


def test_packets_without_truth_or_twice_are_named(archive):
    first, second = run_files(archive)[:2]
    again = list(read_candidates(first))
    write_candidates(second, again)
    with pytest.raises(
        BadArchive, match=f"{second.name}: candidate {again[0].candidate_id} is there a second"
    ):
        list(open_archive(archive).candidates())
    rows = read_truth(archive / TRUTH_FILE)
    strange = [row for row in rows if row.candidate_id != again[0].candidate_id]
    write_truth(archive / TRUTH_FILE, strange)
    change_summary(archive, candidates=len(strange))
    with pytest.raises(BadArchive, match=f"{again[0].candidate_id} has no row in {TRUTH_FILE}"):
        list(open_archive(archive).candidates())
