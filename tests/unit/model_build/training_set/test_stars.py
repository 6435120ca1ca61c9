from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from model_build.dataset import DatasetError
from model_build.season.truth import TRUTH_FILE, read_truth, write_truth
from model_build.training_set.stars import read_listed, read_stars


@pytest.fixture
def rows(star_archive):
    return list(read_truth(star_archive / TRUTH_FILE))


def read(folder, rows):
    write_truth(folder / TRUTH_FILE, rows)
    return read_stars(folder)


def test_each_labelled_star_has_the_candidates_of_its_last_and_first_run(star_archive, rows):
    found = read_stars(star_archive)
    assert found.listed == {row.candidate_id for row in rows}
    labelled = {row.star_id for row in rows if row.label is not None}
    assert [star.star_id for star in found.stars] == sorted(labelled)
    assert len(labelled) < len({row.star_id for row in rows})
    by_id = {row.candidate_id: row for row in rows}
    for star in found.stars:
        last, first = by_id[star.candidate_id], by_id[star.first_candidate_id]
        assert (last.star_id, first.star_id) == (star.star_id, star.star_id)
        assert (last.run_id, first.run_id) == (last.last_run_id, last.first_run_id)
        assert (("yes", "maybe", "no")[star.label], star.cluster) == (last.label, last.cluster)
    assert sum(star.candidate_id != star.first_candidate_id for star in found.stars) > 10


def test_a_first_run_that_is_not_in_the_archive_leaves_none(tmp_path, rows):
    found = read(tmp_path, [replace(row, first_run_id="2021-06-01") for row in rows])
    assert {star.first_candidate_id for star in found.stars} == {None}


def test_labelled_stars_outside_the_balanced_set_are_told_apart(tmp_path, rows):
    left_out = sorted({row.star_id for row in rows if row.label is not None})[::4]
    found = read(
        tmp_path, [replace(row, selected=row.selected and row.star_id not in left_out) for row in rows]
    )
    assert [star.star_id for star in found.others] == left_out
    assert not {star.star_id for star in found.stars} & set(left_out)
    by_id = {row.candidate_id: row for row in rows}
    for star in found.others:
        row = by_id[star.candidate_id]
        assert (row.star_id, row.run_id, star.first_candidate_id) == (star.star_id, row.last_run_id, None)


def test_a_listing_after_the_labels_date_is_the_last(tmp_path, rows):
    runs = {}
    for row in rows:
        runs.setdefault(row.star_id, set()).add(row.run_id)
    earlier = {star: sorted(its)[-2] for star, its in runs.items() if len(its) > 1}
    moved = [
        replace(row, last_run_id=earlier[row.star_id], selected=row.run_id == earlier[row.star_id])
        if row.star_id in earlier
        else row
        for row in rows
    ]
    by_id = {row.candidate_id: row for row in rows}
    for star in read(tmp_path, moved).stars:
        if star.star_id in earlier:
            assert by_id[star.candidate_id].run_id == earlier[star.star_id]
            assert by_id[star.last_candidate_id].run_id == max(runs[star.star_id])
        else:
            assert star.last_candidate_id is None


def test_two_selected_candidates_of_a_star_are_an_error(tmp_path, rows):
    twice = next(row for row in rows if not row.selected and row.label is not None)
    rows[rows.index(twice)] = replace(twice, selected=True)
    with pytest.raises(DatasetError, match=f"star {twice.star_id} has two selected candidates, expected one"):
        read(tmp_path, rows)


def test_a_star_in_two_clusters_is_an_error(tmp_path, rows):
    early = next(row for row in rows if not row.selected and row.label is not None)
    rows[rows.index(early)] = replace(early, cluster=999)
    with pytest.raises(DatasetError, match=f"star {early.star_id} is in clusters .* 999, expected one"):
        read(tmp_path, rows)


def test_an_unknown_label_names_its_candidate(tmp_path, rows):
    place = next(n for n, row in enumerate(rows) if row.selected and row.label is not None)
    rows[place] = replace(rows[place], label="perhaps")
    message = f"{rows[place].candidate_id} has label 'perhaps', expected one of yes, maybe, no, or none"
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, rows)


def test_without_labels_or_table_there_is_an_error(tmp_path, rows):
    with pytest.raises(DatasetError, match=r"truth\.parquet is missing"):
        read_stars(tmp_path)
    with pytest.raises(DatasetError, match=f"none of its {len(rows)} candidates is selected"):
        read(tmp_path, [replace(row, label=None) for row in rows])
    (tmp_path / TRUTH_FILE).write_bytes(b"no table")
    with pytest.raises(DatasetError, match="no Parquet file"):
        read_stars(tmp_path)


def test_the_candidates_wanted_are_read_in_order_of_their_runs(star_archive, rows, candidates):
    wanted = sorted(candidates)[::3]
    found = [one.candidate_id for one in read_listed(star_archive, wanted, frozenset(candidates))]
    assert sorted(found) == wanted
    assert found == [name for name in candidates if name in wanted]


def test_run_files_and_table_must_have_the_same_candidates(star_archive, candidates, tmp_path):
    listed = frozenset(candidates)
    lost = "0b2ff5e0-0000-5000-8000-000000000000"
    with pytest.raises(DatasetError, match=rf"1 candidates of truth\.parquet are in no .*, e.g. {lost}"):
        list(read_listed(star_archive, listed, listed | {lost}))
    extra = next(iter(candidates))
    with pytest.raises(DatasetError, match=rf"candidate {extra} has no row in truth\.parquet"):
        list(read_listed(star_archive, listed, listed - {extra}))
    folder = tmp_path / "season"
    shutil.copytree(star_archive, folder)
    max(folder.glob("run-*.avro")).unlink()
    with pytest.raises(DatasetError, match="are in no run"):
        list(read_listed(folder, listed, listed))
