from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_worker.batching import bisect_failures, length_sorted_batches

lengths = st.tuples(*[st.integers(0, 60)] * 3)


def branches_of(window):
    return [tuple(np.zeros((n, 12), np.float32) for n in row) for row in window]


def padded_rows(window, batches):
    return sum(len(batch) * sum(max(window[i][b] for i in batch) for b in range(3)) for batch in batches)


@given(window=st.lists(lengths, max_size=80), max_size=st.integers(1, 20))
def test_every_place_exactly_once_and_the_limit_is_kept(window, max_size):
    batches = length_sorted_batches(branches_of(window), max_size)
    assert sorted(place for batch in batches for place in batch) == list(range(len(window)))
    assert all(1 <= len(batch) <= max_size for batch in batches)
    assert len(batches) == -(-len(window) // max_size)


@given(window=st.lists(lengths, max_size=80), max_size=st.integers(1, 20))
def test_batches_ascend_in_length_and_equal_lengths_keep_their_order(window, max_size):
    order = [place for batch in length_sorted_batches(branches_of(window), max_size) for place in batch]
    keys = [(max(window[place]), place) for place in order]
    assert keys == sorted(keys)


def test_sorting_saves_padding_on_cadence_like_lengths():
    rng = np.random.default_rng(3)
    longest = rng.choice([40, 200, 400, 900, 1500], 256) * rng.uniform(0.8, 1.0, 256)
    window = [tuple(int(n * share) for share in (1.0, 0.85, 0.55)) for n in longest]
    unsorted = [range(start, start + 32) for start in range(0, 256, 32)]
    sorted_batches = length_sorted_batches(branches_of(window), 32)
    assert padded_rows(window, sorted_batches) < 0.6 * padded_rows(window, unsorted)


@pytest.mark.parametrize("max_size", [0, -1])
def test_refuses_a_size_below_one(max_size):
    with pytest.raises(ValueError, match="at least 1"):
        length_sorted_batches([], max_size)


@given(n=st.integers(0, 60), bad=st.sets(st.integers(0, 59)))
def test_bisection_isolates_each_culprit_and_keeps_the_order(n, bad):
    calls = 0

    def run(items):
        nonlocal calls
        calls += 1
        if culprits := [item for item in items if item in bad]:
            raise ValueError(culprits)
        return [10 * item for item in items]

    results = bisect_failures(range(n), run)

    assert len(results) == n
    for item, result in enumerate(results):
        if item in bad:
            assert isinstance(result, ValueError)
            assert result.args == ([item],)
        else:
            assert result == 10 * item
    assert calls <= max(0, 2 * n - 1)


def test_one_culprit_costs_a_logarithm_of_runs():
    calls = 0

    def run(items):
        nonlocal calls
        calls += 1
        if 17 in items:
            raise ValueError
        return list(items)

    bisect_failures(range(64), run)
    assert calls == 2 * 6 + 1


def test_a_stop_is_not_taken_for_a_failing_item():
    def run(items):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bisect_failures([1, 2], run)
