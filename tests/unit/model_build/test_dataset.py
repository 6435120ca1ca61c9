from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_build.dataset import DatasetError, bucketed_batches, class_weights, data_sha256, read_season
from model_build.season.truth import TRUTH_FILE


def test_how_the_season_was_made_is_read_or_the_reason_given(stream_archive, tmp_path):
    assert read_season(stream_archive)["seed"] == 3
    with pytest.raises(DatasetError, match=r"season\.json is missing"):
        read_season(tmp_path)
    (tmp_path / "season.json").write_text('{"season_version": 1999}')
    with pytest.raises(DatasetError, match="season_version 1999, expected"):
        read_season(tmp_path)
    (tmp_path / "season.json").unlink()
    (tmp_path / "truth.csv").touch()
    with pytest.raises(DatasetError, match=r"truth\.csv is of a simulator that is no more"):
        read_season(tmp_path)


@pytest.mark.parametrize("pattern", ["run-*.avro", TRUTH_FILE])
def test_the_data_hash_sees_every_change(stream_archive, tmp_path, pattern):
    folder = tmp_path / "season"
    shutil.copytree(stream_archive, folder)
    assert data_sha256(folder) == data_sha256(stream_archive)
    path = min(folder.glob(pattern))
    path.write_bytes(path.read_bytes() + b"x")
    assert data_sha256(folder) != data_sha256(stream_archive)


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
    batches = bucketed_batches(np.array(lengths), size, np.random.default_rng(seed))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)


def test_buckets_hold_similar_lengths():
    lengths = np.arange(1, 321)
    for batch in bucketed_batches(lengths, 16, np.random.default_rng(0)):
        found = lengths[batch]
        assert max(found) <= 1.35 * min(found) + 16
