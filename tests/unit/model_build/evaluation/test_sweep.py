from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.evaluation.sweep import sweep_thresholds

scores = st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(0, 2)), min_size=2, max_size=60)


def arrays(pairs):
    p, labels = zip(*pairs, strict=True)
    return np.array(p), np.array(labels, dtype=np.int64)


@settings(deadline=None)
@given(pairs=scores)
def test_accuracies_are_monotonic_and_the_mean_is_a_half_at_both_ends(pairs):
    p, labels = arrays([*pairs, (0.5, 0), (0.5, 2)])
    found = sweep_thresholds(p, labels)
    for name, rises in (("yes", False), ("maybe", False), ("no", True)):
        steps = np.diff(found.accuracy[name])
        assert np.isnan(steps).all() or np.all(steps >= 0.0 if rises else steps <= 0.0)
    assert found.mean[0] == found.mean[-1] == 0.5
    assert found.thresholds.size == 201


@settings(deadline=None)
@given(pairs=scores, place=st.integers(0, 199))
def test_a_point_of_the_sweep_is_what_counting_gives(pairs, place):
    p, labels = arrays([*pairs, (0.5, 1), (0.5, 2)])
    found = sweep_thresholds(p, labels)
    passed = p >= found.thresholds[place]
    assert found.accuracy["maybe"][place] == pytest.approx(passed[labels == 1].mean())
    assert found.accuracy["no"][place] == pytest.approx((~passed[labels == 2]).mean())
    mean = 0.5 * (passed[labels != 2].mean() + (~passed[labels == 2]).mean())
    assert found.mean[place] == pytest.approx(mean)


def test_the_best_threshold_lies_between_what_it_parts():
    p = np.array([0.9, 0.8, 0.7, 0.2, 0.1])
    assert sweep_thresholds(p, np.array([0, 0, 1, 2, 2])).best() == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("p", "labels", "message"),
    [
        ([0.5, 1.5], [0, 2], "score 1 is 1.5"),
        ([0.5, np.nan], [0, 2], "score 1"),
        ([0.5], [0], "1 of 1 positive"),
    ],
)
def test_impossible_scores_are_named(p, labels, message):
    with pytest.raises(ValueError, match=message):
        sweep_thresholds(np.array(p), np.array(labels))
