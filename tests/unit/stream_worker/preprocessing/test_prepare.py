"""Several candidates at once: each as if alone, to the bit."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream_worker.preprocessing import (
    Observed,
    PreprocessingOptions,
    Target,
    TooFewObservations,
    prepare,
    prepare_each,
)
from stream_worker.preprocessing.robust import segment_medians

T_CUT, T_BREAK = 9344.75, 9325.0
SEEDS = st.integers(0, 2**32 - 1)


def alone(one, options):
    try:
        return prepare(
            one.light_curves,
            t_cut=one.t_cut,
            t_break=one.target.t_break,
            ra=one.target.ra,
            dec=one.target.dec,
            options=options,
        )
    except TooFewObservations as few:
        return few


@given(
    seeds=st.lists(SEEDS, min_size=1, max_size=6), mode=st.sampled_from(["default", "paper"]), data=st.data()
)
@settings(max_examples=120, deadline=None)
def test_each_is_prepared_as_if_alone(dirty_candidate, alike, seeds, mode, data):
    options = PreprocessingOptions(mode=mode, max_points=data.draw(st.sampled_from([20, 1500])))
    candidates = [
        Observed(
            dirty_candidate(seed)[: data.draw(st.integers(0, 3))],
            T_CUT - data.draw(st.sampled_from([0.0, 10.0, 60.0, 200.0])),
            Target(T_BREAK - data.draw(st.sampled_from([0.0, 30.0, 500.0])), 268.4 + i, -31.0 + i),
        )
        for i, seed in enumerate(seeds)
    ]
    for found, one in zip(prepare_each(candidates, options), candidates, strict=True):
        expected = alone(one, options)
        assert type(found) is type(expected)
        assert found.report == expected.report
        assert isinstance(found, TooFewObservations) or alike(found, expected)


def test_no_candidate_and_none_that_is_usable(light_curve):
    assert prepare_each([], PreprocessingOptions()) == []
    few = Observed([light_curve(n=5)], T_CUT, Target(T_BREAK, 268.4, -31.0))
    found = prepare_each([few, few], PreprocessingOptions())
    assert [type(one) for one in found] == [TooFewObservations] * 2


def test_a_target_is_checked():
    for wrong in ({"ra": np.nan}, {"dec": 90.1}, {"t_break": np.inf}):
        with pytest.raises(ValueError, match="finite"):
            replace(Target(T_BREAK, 268.4, -31.0), **wrong)


@given(seed=SEEDS, lengths=st.lists(st.integers(0, 9), max_size=12))
@example(seed=0, lengths=[0])
@example(seed=0, lengths=[0, 3, 0, 0, 2, 0])
@settings(max_examples=200, deadline=None)
def test_medians_of_segments(seed, lengths):
    segments = list(pairwise(accumulate(lengths, initial=0)))
    values = np.random.default_rng(seed).normal(size=sum(lengths))
    found = segment_medians(values, segments)
    expected = [np.median(values[start:stop]) if stop > start else np.nan for start, stop in segments]
    np.testing.assert_array_equal(found, expected)
