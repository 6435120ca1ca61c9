from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_build.augment import Losses, lose
from model_build.golden import random_branches
from stream_worker.preprocessing import FEATURES

ALL = Losses(site=0.0, column=0.0, all_columns=1.0)
NONE = Losses(site=0.0, column=0.0, all_columns=0.0)
lengths = st.tuples(*[st.integers(0, 20)] * 3).filter(any)


def branches_of(row, seed=0):
    return random_branches(row, np.random.default_rng(seed))


@given(row=lengths, seed=st.integers(0, 99))
def test_one_site_with_data_always_stays(row, seed):
    lost = lose(branches_of(row), Losses(site=0.9), np.random.default_rng(seed))
    assert any(map(len, lost))
    assert all(len(rows) in (0, n) for rows, n in zip(lost, row, strict=True))


def test_a_lost_column_is_the_training_mean_and_not_available():
    branches = branches_of((5, 3, 0))
    lost = lose(branches, ALL, np.random.default_rng(0))
    gone = [FEATURES.index(n) for n in ("sky_background", "fwhm", "psf_quality", "has_sky", "has_fwhm")]
    gone.append(FEATURES.index("has_psf_quality"))
    kept = [place for place in range(12) if place not in gone]
    for before, after in zip(branches, lost, strict=True):
        assert not after[:, gone].any()
        np.testing.assert_array_equal(after[:, kept], before[:, kept])


def test_value_and_availability_are_lost_together():
    pairs = [("sky_background", "has_sky"), ("fwhm", "has_fwhm"), ("psf_quality", "has_psf_quality")]
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(200):
        (rows, *_) = lose(branches_of((4, 0, 0)), Losses(site=0, column=0.5, all_columns=0), rng)
        gone = tuple(not rows[:, FEATURES.index(value)].any() for value, _ in pairs)
        assert gone == tuple(not rows[:, FEATURES.index(has)].any() for _, has in pairs)
        seen.add(gone)
    assert len(seen) == 8


def test_the_examples_themselves_stay_as_they_are():
    branches = branches_of((5, 3, 2))
    before = [rows.copy() for rows in branches]
    lose(branches, ALL, np.random.default_rng(0))
    for rows, copy in zip(branches, before, strict=True):
        np.testing.assert_array_equal(rows, copy)


def test_no_losses_change_nothing():
    branches = branches_of((5, 0, 2))
    for before, after in zip(branches, lose(branches, NONE, np.random.default_rng(0)), strict=True):
        np.testing.assert_array_equal(before, after)


@given(row=lengths, seed=st.integers(0, 20))
def test_lost_rows_leave_the_order_and_the_newest(row, seed):
    branches = tuple(np.arange(n, dtype=np.float32)[:, np.newaxis].repeat(12, axis=1) for n in row)
    losses = Losses(site=0.0, column=0.0, all_columns=0.0, rows=0.9)
    for before, after in zip(branches, lose(branches, losses, np.random.default_rng(seed)), strict=True):
        assert bool(len(after)) == bool(len(before))
        assert (np.diff(after[:, 0]) > 0).all()
        assert not len(before) or after[-1, 0] == before[-1, 0]


@pytest.mark.parametrize("wrong", [{"site": 1.1}, {"column": -0.1}, {"rows": 1.0}])
def test_impossible_chances_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be from 0"):
        Losses(**wrong)
