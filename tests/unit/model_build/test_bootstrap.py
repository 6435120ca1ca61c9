from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.bootstrap import Resampling, estimate, interval, shares

candidates = st.lists(st.tuples(st.integers(0, 6), st.floats(-10, 10)), min_size=1, max_size=40)


@settings(max_examples=30, deadline=None)
@given(found=candidates)
def test_totals_are_the_sums_as_they_are_and_as_drawn(found):
    cluster, value = (np.array(column) for column in zip(*found, strict=True))
    resampling = Resampling(cluster, 3, 50)
    totals = resampling.totals(np.column_stack([value, np.ones(value.size)]))
    assert totals.shape == (51, 2)
    assert totals[0] == pytest.approx([value.sum(), value.size])
    assert totals[1:, 0] == pytest.approx(resampling.weights() @ value, abs=1e-9)
    assert totals[1:, 1] == pytest.approx(resampling.weights().sum(axis=1))


@settings(max_examples=30, deadline=None)
@given(found=candidates)
def test_a_histogram_is_the_totals_of_each_bin(found):
    cluster, value = (np.array(column) for column in zip(*found, strict=True))
    place = (np.abs(value) // 4).astype(np.intp)
    resampling = Resampling(cluster, 1, 20)
    expected = resampling.totals(np.eye(3)[place] * value[:, np.newaxis])
    assert resampling.histogram(place, 3, value) == pytest.approx(expected, abs=1e-9)
    assert resampling.histogram(place, 3) == pytest.approx(resampling.totals(np.eye(3)[place]))


def test_every_draw_has_as_many_clusters_and_keeps_them_whole():
    cluster = np.repeat(np.arange(30), 3)
    weights = Resampling(cluster, 5).weights()
    assert np.all(weights.sum(axis=1) == 90)
    assert np.array_equal(weights[:, 0::3], weights[:, 2::3])


def test_an_interval_is_that_of_a_binomial_and_copies_say_nothing_more():
    hits = np.arange(400) < 120
    alone = Resampling(np.arange(400), 1).totals(np.column_stack([hits, np.ones(400)]))
    found = estimate(shares(alone[:, 0], alone[:, 1]))
    assert found.value == 0.3
    assert found.high - found.low == pytest.approx(3.92 * np.sqrt(0.3 * 0.7 / 400), rel=0.15)
    copies = Resampling(np.repeat(np.arange(400), 5), 1)
    copied = copies.totals(np.column_stack([np.repeat(hits, 5), np.ones(2000)]))
    assert estimate(shares(copied[:, 0], copied[:, 1])) == found


def test_what_is_undefined_in_some_draws_is_left_out_there():
    draws = np.array([[0.1, np.nan], [np.nan, np.nan], [0.3, np.nan]])
    low, high = interval(draws)
    assert low[0] == pytest.approx(0.105)
    assert high[0] == pytest.approx(0.295)
    assert np.isnan(low[1])
    assert np.isnan(high[1])
    none = estimate(shares(np.zeros(11), np.zeros(11)))
    assert none.as_json() == {"value": None, "interval": [None, None]}
    assert str(none) == "\N{EN DASH}"


def test_no_candidates_are_refused():
    with pytest.raises(ValueError, match="no candidates"):
        Resampling(np.array([], dtype=np.intp), 1)


@settings(max_examples=30, deadline=None)
@given(found=candidates, data=st.data())
def test_a_part_is_counted_on_the_draws_of_the_whole(found, data):
    cluster, value = (np.array(column) for column in zip(*found, strict=True))
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=value.size, max_size=value.size)))
    chosen[0] = True
    whole = Resampling(cluster, 3, 20)
    part = whole.part(np.flatnonzero(chosen))
    assert part.totals(value[chosen]) == pytest.approx(whole.totals(value * chosen), abs=1e-9)
    assert np.array_equal(part.weights(), whole.weights()[:, chosen])
    ones = np.zeros(int(chosen.sum()), np.intp)
    assert part.histogram(ones, 1) == pytest.approx(whole.totals(chosen))
