from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_build.training_set.split import SPLITS, apportion, siblings_of_training, split_stars

SHARES = (0.8, 0.1, 0.1)


def counts(sides, chosen=slice(None)):
    return np.bincount(sides[chosen], minlength=3).tolist()


@st.composite
def stars(draw):
    """Labels and groups of up to 150 stars, in groups small and large, of one class or of several."""
    groups = draw(st.lists(st.integers(0, draw(st.integers(0, 60))), min_size=1, max_size=150))
    labels = draw(st.lists(st.integers(0, 2), min_size=len(groups), max_size=len(groups)))
    return np.array(labels), np.array(groups)


@given(stars(), st.integers(0, 5))
def test_no_group_is_on_two_sides_and_every_star_on_one(case, seed):
    labels, groups = case
    sides = split_stars(labels, groups, np.random.default_rng(seed))
    assert sides.size == labels.size
    assert set(sides.tolist()) <= {0, 1, 2}
    for group in set(groups.tolist()):
        assert np.unique(sides[groups == group]).size == 1
    assert not siblings_of_training(sides, groups).any()


@given(st.lists(st.integers(0, 2), min_size=1, max_size=200), st.integers(0, 5))
def test_stars_of_their_own_are_split_exactly_class_by_class(labels, seed):
    labels = np.array(labels)
    sides = split_stars(labels, np.arange(labels.size), np.random.default_rng(seed))
    for label in set(labels.tolist()):
        of_class = labels == label
        assert counts(sides, of_class) == apportion(int(of_class.sum()), SHARES).tolist()


@given(st.lists(st.integers(1, 12), min_size=1, max_size=80), st.integers(0, 5))
def test_a_class_misses_its_shares_by_less_than_its_largest_groups(sizes, seed):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    sides = split_stars(np.zeros(groups.size, int), groups, np.random.default_rng(seed))
    missed = np.array(counts(sides)) - apportion(groups.size, SHARES)
    assert missed.max() < max(sizes)
    assert missed.min() > -2 * max(sizes)


def test_clusters_hardly_move_the_papers_sizes():
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], [1825, 1190, 2038])
    groups = rng.integers(0, 3500, labels.size)  # one and a half stars each, classes mixed
    sides = split_stars(labels, groups, rng)
    for label, n in enumerate([1825, 1190, 2038]):
        np.testing.assert_allclose(counts(sides, labels == label), apportion(n, SHARES), atol=2)


def test_large_groups_are_not_kept_for_training():
    groups = np.repeat(np.arange(100), [8] * 50 + [1] * 50)
    held_out = sum(
        int((split_stars(np.zeros(450, int), groups, np.random.default_rng(seed))[:400:8] > 0).sum())
        for seed in range(40)
    )
    assert 0.15 < held_out / (40 * 50) < 0.25


def test_the_split_repeats_and_depends_on_its_generator():
    labels, groups = np.arange(300) % 3, np.arange(300) // 2
    first, again, other = (split_stars(labels, groups, np.random.default_rng(seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_siblings_are_those_held_out_beside_a_star_to_train_on():
    sides = np.array([SPLITS.index(name) for name in ("train", "test", "test", "validation", "validation")])
    found = siblings_of_training(sides, np.array([7, 7, 8, 8, 7]))
    assert found.tolist() == [False, True, False, False, True]


@given(st.integers(0, 10_000), st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any))
def test_shares_sum_up_and_are_within_one_of_their_proportion(total, weights):
    shares = apportion(total, weights)
    assert shares.sum() == total
    assert (np.abs(shares - total * np.array(weights) / sum(weights)) < 1 + 1e-9).all()


@pytest.mark.parametrize(
    ("total", "expected"), [(10, [8, 1, 1]), (5, [4, 1, 0]), (1, [1, 0, 0]), (0, [0] * 3)]
)
def test_shares_of_small_numbers(total, expected):
    assert apportion(total, SHARES).tolist() == expected
