from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.bootstrap import Resampling
from model_build.evaluation.calibration import reliability
from model_build.evaluation.probabilities import honesty


def of(p, is_true, draws=60):
    return honesty(Resampling(np.arange(p.size), 1, draws), p, is_true)


def drawn(n=8_000):
    rng = np.random.default_rng(1)
    p = rng.beta(0.2, 4.0, n)
    return p, rng.random(n) < p


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=50))
def test_the_error_is_that_of_the_same_bins(found):
    p, is_true = (np.array(column) for column in zip(*found, strict=True))
    its, expected = of(p, is_true, 10).equal_width, reliability(p, is_true)
    assert its.expected_error.value == pytest.approx(expected.expected_error)
    assert its.n.tolist() == expected.n.tolist()
    assert its.predicted == pytest.approx(expected.predicted)
    assert its.observed == pytest.approx(expected.observed)


def test_honest_probabilities_have_skill_and_no_error():
    p, is_true = drawn()
    its = of(p, is_true)
    assert its.equal_width.expected_error.value < 0.01
    assert its.equal_count.expected_error.value < 0.01
    assert its.skill.low > 0.1
    assert its.base_rate.low < its.mean.value < its.base_rate.high


def test_the_base_rate_has_no_skill_perfection_all_and_exaggeration_less_than_none():
    _, is_true = drawn()
    assert of(np.full(is_true.size, is_true.mean()), is_true).skill.value == pytest.approx(0.0)
    assert of(is_true * 1.0, is_true).skill.value == 1.0
    exaggerated = of(np.full(is_true.size, 0.5), is_true)
    assert exaggerated.skill.high < 0.0
    assert exaggerated.equal_width.expected_error.value > 0.4


def test_equal_numbers_find_what_equal_widths_hide():
    """All in the first bin of equal width, and there right on average only."""
    rng = np.random.default_rng(2)
    true_rate = np.repeat([0.0, 0.04], 4_000)
    is_true = rng.random(8_000) < true_rate
    p = np.repeat([0.03, 0.01], 4_000)
    its = of(p, is_true)
    assert its.equal_width.expected_error.value < 0.005
    assert its.equal_count.expected_error.value > 0.02
