from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from model_build.evaluation.calibration import fit_calibration, reliability


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


def test_weights_make_the_prior_that_of_the_rarer_class():
    rng = np.random.default_rng(2)
    x = {True: rng.normal(1.0, 1.0, 200_000), False: rng.normal(-1.0, 1.0, 200_000)}
    trained = {side: expit(2.0 * values) for side, values in x.items()}  # exact for equal shares
    share, n_fitted = 0.02, 20_000
    p = np.concatenate([trained[True][:n_fitted], trained[False][:n_fitted]])
    is_true = np.arange(p.size) < n_fitted
    found = fit_calibration(p, is_true, np.where(is_true, 2 * share, 2 * (1 - share)))
    n = round(100_000 * share / (1 - share))
    stream = np.concatenate([trained[True][-n:], trained[False][-100_000:]])
    in_stream = np.arange(stream.size) < n
    assert reliability(stream, in_stream).expected_error > 0.1
    assert reliability(found.of(stream), in_stream).expected_error < 0.005


def test_one_sided_or_no_data_are_refused():
    with pytest.raises(ValueError, match="2 true of 2"):
        fit_calibration(np.array([0.1, 0.9]), np.array([True, True]))
    with pytest.raises(ValueError, match="no probabilities"):
        reliability(np.array([]), np.array([], dtype=bool))
