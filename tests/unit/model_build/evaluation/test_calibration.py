from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from model_build.evaluation.calibration import fit_calibration, reliability, shift_prior

shares = st.floats(0.01, 0.99)


def drawn(n=40_000, seed=1):
    """Probabilities that mean what they say, and what came true."""
    rng = np.random.default_rng(seed)
    p = 0.02 + 0.96 * rng.beta(0.6, 0.9, n)
    return p, rng.random(n) < p


def test_honest_probabilities_have_no_error_and_others_theirs():
    p, is_true = drawn()
    assert reliability(p, is_true).expected_error < 0.01
    assert reliability(np.clip(p + 0.2, 0.0, 1.0), is_true).expected_error == pytest.approx(0.18, abs=0.03)
    assert reliability(p, is_true).n.sum() == p.size


def test_a_distortion_is_undone():
    p, is_true = drawn()
    distorted = expit(2.5 * logit(np.clip(p, 1e-6, 1 - 1e-6)) - 1.0)
    found = fit_calibration(distorted, is_true)
    assert found.slope == pytest.approx(0.4, rel=0.05)
    assert found.offset == pytest.approx(0.4, rel=0.1)
    assert reliability(distorted, is_true).expected_error > 0.05
    assert reliability(found.of(distorted), is_true).expected_error < 0.01


def test_a_shifted_prior_is_that_of_the_rarer_class():
    rng = np.random.default_rng(2)
    x = {True: rng.normal(1.0, 1.0, 200_000), False: rng.normal(-1.0, 1.0, 200_000)}
    trained = {side: expit(2.0 * values) for side, values in x.items()}  # exact for equal shares
    now = 0.02
    n = round(200_000 * now / (1 - now))
    p = np.concatenate([trained[True][:n], trained[False]])
    is_true = np.arange(p.size) < n
    assert reliability(p, is_true).expected_error > 0.1
    assert reliability(shift_prior(p, 0.5, now), is_true).expected_error < 0.003


@settings(deadline=None)
@given(p=st.lists(st.floats(0.001, 0.999), min_size=1, max_size=20), a=shares, b=shares)
def test_shifting_there_and_back_changes_nothing_and_keeps_the_order(p, a, b):
    p = np.array(p)
    there = shift_prior(p, a, b)
    assert shift_prior(there, b, a) == pytest.approx(p, rel=0.02, abs=1e-4)
    assert np.all(np.diff(there[np.argsort(p)]) >= 0.0)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, np.nan])
def test_impossible_shares_are_named(share):
    with pytest.raises(ValueError, match="now is"):
        shift_prior(np.array([0.5]), 0.5, share)


def test_one_sided_or_no_data_are_refused():
    with pytest.raises(ValueError, match="2 true of 2"):
        fit_calibration(np.array([0.1, 0.9]), np.array([True, True]))
    with pytest.raises(ValueError, match="no probabilities"):
        reliability(np.array([]), np.array([], dtype=bool))
