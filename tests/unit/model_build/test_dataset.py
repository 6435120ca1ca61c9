from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_build.dataset import (
    DatasetError,
    Example,
    bucketed_batches,
    class_weights,
    data_sha256,
    read_examples,
    read_season,
    split_by_group,
)
from model_build.season.truth import TRUTH_FILE, read_truth, read_truth_table, write_truth
from stream_worker.codec import read_candidates
from stream_worker.preprocessing import PreprocessingOptions, prepare

LABELS = ("yes", "maybe", "no", None)


def copy_with(archive, target, rows):
    """The archive with another truth table."""
    shutil.copytree(archive, target)
    write_truth(target / TRUTH_FILE, rows)
    return target


@pytest.fixture(scope="module")
def archive(stream_archive, tmp_path_factory):
    """Labels in turn, every third candidate not that of its label's date, two of a cluster."""
    rows = [
        replace(row, label=LABELS[n % 4], selected=n % 4 < 3 and n % 3 > 0, cluster=n // 2)
        for n, row in enumerate(read_truth(stream_archive / TRUTH_FILE))
    ]
    return copy_with(stream_archive, tmp_path_factory.mktemp("dataset") / "season", rows)


@pytest.fixture
def rows(archive):
    return list(read_truth(archive / TRUTH_FILE))


def read(folder, **options):
    return list(read_examples(folder, PreprocessingOptions(), **options))


def test_the_candidate_of_each_labels_date_is_prepared_as_the_worker_does(archive, rows):
    truth = {row.candidate_id: row for row in rows if row.selected}
    packets = [c for path in sorted(archive.glob("run-*.avro")) for c in read_candidates(path)]
    candidates = [c for c in packets if c.candidate_id in truth]
    examples = read(archive)
    assert 0 < len(examples) == len(candidates) < len(packets)
    for example, candidate in zip(examples, candidates, strict=True):
        row, detection = truth[candidate.candidate_id], candidate.alertfinder
        expected = prepare(
            candidate.light_curves,
            t_break=detection.t_break,
            t_cut=detection.t_cut,
            ra=candidate.ra,
            dec=candidate.dec,
        )
        assert (("yes", "maybe", "no")[example.label], example.group) == (row.label, row.cluster)
        for found, site in zip(example.prepared.sites, expected.sites, strict=True):
            np.testing.assert_array_equal(found, site)


def test_every_run_of_a_labelled_star_can_be_asked_for(archive, rows):
    labelled = [row for row in rows if row.label is not None]
    assert len(labelled) > sum(row.selected for row in rows)
    assert len(read(archive, every_run=True)) == len(labelled)


def test_a_limit_takes_the_same_subset_each_time(archive):
    first = [example.prepared.t_break for example in read(archive, limit=7)]
    assert len(first) == 7
    assert [example.prepared.t_break for example in read(archive, limit=7)] == first


def test_a_candidate_without_row_is_an_error(archive, rows, tmp_path):
    folder = copy_with(archive, tmp_path / "season", rows[:-1])
    with pytest.raises(DatasetError, match=f"candidate {rows[-1].candidate_id} has no row in truth.parquet"):
        read(folder)


def test_a_row_without_candidate_is_an_error(archive, rows, tmp_path):
    lost = replace(rows[0], candidate_id="0b2ff5e0-0000-5000-8000-000000000000")
    folder = copy_with(archive, tmp_path / "season", [*rows, lost])
    with pytest.raises(DatasetError, match=f"1 candidates .* are in no .*, e.g. {lost.candidate_id}"):
        read(folder)


def test_an_unknown_label_names_its_candidate(archive, rows, tmp_path):
    rows[3] = replace(rows[3], label="perhaps")
    folder = copy_with(archive, tmp_path / "season", rows)
    message = f"{rows[3].candidate_id} has label 'perhaps', expected one of yes, maybe, no, or none"
    with pytest.raises(DatasetError, match=message):
        read(folder)


def test_an_archive_without_labels_is_an_error(archive, rows, tmp_path):
    folder = copy_with(archive, tmp_path / "season", [replace(row, label=None) for row in rows])
    with pytest.raises(DatasetError, match=f"none of its {len(rows)} candidates carries a label"):
        read(folder)


def test_missing_files_are_errors(archive, tmp_path):
    with pytest.raises(DatasetError, match=r"holds no run-\*\.avro"):
        read(tmp_path)
    folder = tmp_path / "season"
    shutil.copytree(archive, folder)
    (folder / TRUTH_FILE).unlink()
    with pytest.raises(DatasetError, match=r"truth\.parquet is missing: .* no season, or an unfinished one"):
        read(folder)
    (folder / "truth.csv").touch()
    with pytest.raises(DatasetError, match=r"truth\.csv is of a simulator that is no more"):
        read(folder)


def test_a_truth_table_of_another_version_is_an_error(archive, tmp_path):
    folder = tmp_path / "season"
    shutil.copytree(archive, folder)
    table = read_truth_table(folder / TRUTH_FILE)
    pq.write_table(table.replace_schema_metadata({"lensnet.truth_version": "1999"}), folder / TRUTH_FILE)
    with pytest.raises(DatasetError, match="truth version '1999', expected"):
        read(folder)


def test_how_the_season_was_made_is_read_or_the_reason_given(archive, tmp_path):
    assert read_season(archive)["seed"] == 3
    with pytest.raises(DatasetError, match=r"season\.json is missing"):
        read_season(tmp_path)
    (tmp_path / "season.json").write_text('{"season_version": 1999}')
    with pytest.raises(DatasetError, match="season_version 1999, expected"):
        read_season(tmp_path)


@pytest.mark.parametrize("pattern", ["run-*.avro", TRUTH_FILE])
def test_the_data_hash_sees_every_change(archive, tmp_path, pattern):
    folder = tmp_path / "season"
    shutil.copytree(archive, folder)
    assert data_sha256(folder) == data_sha256(archive)
    path = min(folder.glob(pattern))
    path.write_bytes(path.read_bytes() + b"x")
    assert data_sha256(folder) != data_sha256(archive)


def examples_of(groups):
    return [Example(prepared=None, label=0, group=group) for group in groups]


@given(groups=st.lists(st.integers(0, 50), min_size=1, max_size=120), seed=st.integers(0, 5))
def test_no_group_is_on_two_sides(groups, seed):
    split = split_by_group(examples_of(groups), seed)
    sides = [{e.group for e in part} for part in (split.train, split.validation, split.test)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert sum(map(len, (split.train, split.validation, split.test))) == len(groups)


def test_the_split_is_80_10_10_and_repeats():
    examples = examples_of(range(1000))
    split = split_by_group(examples, 4)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [800, 100, 100]
    held_out = [e.group for e in split.test]
    assert [e.group for e in split_by_group(examples, 4).test] == held_out
    assert [e.group for e in split_by_group(examples, 5).test] != held_out


def test_class_weights_are_n_over_k_n_c():
    np.testing.assert_allclose(class_weights(np.array([0, 0, 0, 1, 2, 2]), 3), [6 / 9, 6 / 3, 6 / 6])
    with pytest.raises(ValueError, match=r"counts are \[1, 0\]"):
        class_weights(np.array([0]), 2)


@given(
    lengths=st.lists(st.integers(1, 400), min_size=1, max_size=100),
    size=st.integers(1, 16),
    seed=st.integers(0, 9),
)
def test_buckets_hold_each_example_once(lengths, size, seed):
    examples = [tuple(np.zeros((n, 12), np.float32) for _ in range(3)) for n in lengths]
    batches = bucketed_batches(examples, size, np.random.default_rng(seed))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)


def test_buckets_hold_similar_lengths():
    examples = [tuple(np.zeros((n, 12), np.float32) for _ in range(3)) for n in range(1, 321)]
    for batch in bucketed_batches(examples, 16, np.random.default_rng(0)):
        found = [len(examples[place][0]) for place in batch]
        assert max(found) <= 1.35 * min(found) + 16
