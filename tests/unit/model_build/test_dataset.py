from __future__ import annotations

import csv

import numpy as np
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
    split_by_group,
)
from model_build.simulator.simulate import simulate_season
from model_build.simulator.write import write_season
from stream_worker.codec import read_candidates
from stream_worker.preprocessing import PreprocessingOptions, prepare


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    write_season(simulate_season(2021, 25, 3), folder, lambda _done: None)
    return folder


def lines(folder):
    with (folder / "truth.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_examples_are_prepared_as_the_worker_does(simulated):
    examples = list(read_examples(simulated, PreprocessingOptions()))
    assert len(examples) == 25
    labels = {row["candidate_id"]: ("yes", "maybe", "no").index(row["label"]) for row in lines(simulated)}
    candidates = [c for path in sorted(simulated.glob("run-*.avro")) for c in read_candidates(path)]
    for example, candidate in zip(examples, candidates, strict=True):
        detection = candidate.alertfinder
        expected = prepare(
            candidate.light_curves,
            t_break=detection.t_break,
            t_cut=detection.t_cut,
            ra=candidate.ra,
            dec=candidate.dec,
        )
        assert example.label == labels[candidate.candidate_id]
        for found, site in zip(example.prepared.sites, expected.sites, strict=True):
            np.testing.assert_array_equal(found, site)


def test_a_limit_takes_the_same_subset_each_time(simulated):
    first = [e.prepared.t_break for e in read_examples(simulated, PreprocessingOptions(), limit=7)]
    assert len(first) == 7
    assert [e.prepared.t_break for e in read_examples(simulated, PreprocessingOptions(), limit=7)] == first


def copy(folder, target, rows):
    for path in folder.glob("run-*.avro"):
        (target / path.name).write_bytes(path.read_bytes())
    with (target / "truth.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_a_candidate_without_label_is_an_error(simulated, tmp_path):
    copy(simulated, tmp_path, lines(simulated)[:-1])
    with pytest.raises(DatasetError, match="has no line in"):
        list(read_examples(tmp_path, PreprocessingOptions()))


def test_an_unknown_label_names_its_line(simulated, tmp_path):
    rows = lines(simulated)
    rows[3]["label"] = "perhaps"
    copy(simulated, tmp_path, rows)
    with pytest.raises(DatasetError, match=r"truth\.csv line 5: .*'perhaps', expected one of yes, maybe, no"):
        list(read_examples(tmp_path, PreprocessingOptions()))


def test_missing_files_are_errors(simulated, tmp_path):
    with pytest.raises(DatasetError, match=r"truth\.csv is missing"):
        list(read_examples(tmp_path, PreprocessingOptions()))
    (tmp_path / "truth.csv").write_bytes((simulated / "truth.csv").read_bytes())
    with pytest.raises(DatasetError, match=r"holds no run-\*\.avro"):
        list(read_examples(tmp_path, PreprocessingOptions()))


def test_the_data_hash_sees_every_change(simulated, tmp_path):
    copy(simulated, tmp_path, lines(simulated))
    (tmp_path / "truth.csv").write_bytes((simulated / "truth.csv").read_bytes())
    assert data_sha256(tmp_path) == data_sha256(simulated)
    path = min(tmp_path.glob("run-*.avro"))
    path.write_bytes(path.read_bytes() + b"x")
    assert data_sha256(tmp_path) != data_sha256(simulated)


def examples_of(groups):
    return [Example(prepared=None, label=0, group=str(group)) for group in groups]


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
