"""The line through the rising part, and its guards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_worker.preprocessing.rise import fit_rises

T_BREAK = 9325.0


def fit_rise(hjd, flux, flux_err, t_break):
    """Of one site among two without rows."""
    before, rise, after = fit_rises(np.array([hjd, flux, flux_err]), (0, 0, len(hjd), len(hjd)), t_break)
    assert before is after is None
    return rise


def sample(seed, n):
    rng = np.random.default_rng(seed)
    hjd = np.sort(rng.uniform(9300.0, 9340.0, n))
    flux_err = rng.uniform(100.0, 400.0, n)
    return hjd, rng.normal(500.0, flux_err) + 80.0 * np.maximum(hjd - T_BREAK, 0.0), flux_err


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(30, 200))
@settings(max_examples=50, deadline=None)
def test_it_is_the_weighted_least_squares_line_from_the_baseline(seed, n):
    hjd, flux, flux_err = sample(seed, n)
    rise = fit_rise(hjd, flux, flux_err, T_BREAK)
    before = hjd < T_BREAK
    baseline = np.average(flux[before], weights=flux_err[before] ** -2.0)
    x = (hjd - T_BREAK)[~before]
    slope = np.linalg.lstsq(
        (x / flux_err[~before])[:, None], (flux[~before] - baseline) / flux_err[~before], rcond=None
    )[0][0]
    assert rise.baseline == pytest.approx(baseline, rel=1e-12)
    assert rise.slope == pytest.approx(slope, rel=1e-9, abs=1e-9)
    median = np.median(flux[before])
    scatter = 1.4826 * np.median(np.abs(flux[before] - median))
    assert rise.scatter == pytest.approx(max(scatter, 0.5 * np.median(flux_err[before])), rel=1e-12)
    assert (rise.n_before, rise.n_after) == (before.sum(), n - before.sum())


def test_a_decline_keeps_its_sign():
    hjd = np.arange(9315.0, 9335.0)
    flux = -50.0 * np.maximum(hjd - T_BREAK, 0.0)
    assert fit_rise(hjd, flux, np.ones(20), T_BREAK).slope == pytest.approx(-50.0)


def test_an_observation_at_the_break_is_after_it():
    hjd = np.array([9322.0, 9323.0, 9324.0, T_BREAK, 9326.0])
    rise = fit_rise(hjd, np.array([1.0, 1.0, 1.0, 9.0, 5.0]), np.ones(5), T_BREAK)
    assert (rise.n_before, rise.n_after, rise.baseline, rise.slope) == (3, 2, 1.0, 4.0)


def test_with_fewer_than_three_rows_before_the_medians_of_all_count():
    hjd = np.array([9324.0, 9324.5, 9326.0, 9327.0, 9328.0])
    flux, flux_err = np.array([10.0, 20.0, 30.0, 50.0, 70.0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    rise = fit_rise(hjd, flux, flux_err, T_BREAK)
    assert (rise.baseline, rise.scatter, rise.n_before) == (30.0, 3.0, 2)


@pytest.mark.parametrize("n_after", [0, 1])
def test_with_fewer_than_two_rows_after_there_is_no_slope(n_after):
    hjd = np.concatenate([np.arange(9320.0, 9325.0), [9326.0] * n_after])
    rise = fit_rise(hjd, np.arange(hjd.size, dtype=float) ** 3, np.ones(hjd.size), T_BREAK)
    assert (rise.slope, rise.n_after) == (0.0, n_after)


def test_constant_flux_has_the_scatter_of_its_errors():
    hjd = np.arange(9310.0, 9335.0)
    rise = fit_rise(hjd, np.full(25, 7.0), np.full(25, 300.0), T_BREAK)
    assert (rise.baseline, rise.scatter, rise.slope) == pytest.approx((7.0, 150.0, 0.0))


def test_rows_at_one_time_have_no_slope():
    hjd = np.array([9300.0, 9301.0, 9302.0, T_BREAK, T_BREAK + 1e-160])
    rise = fit_rise(hjd, np.array([0.0, 0.0, 0.0, 1.0, 2.0]), np.ones(5), T_BREAK)
    assert rise.slope == 0.0


def test_a_slope_beyond_sense_is_none():
    hjd = np.array([-3.0, -2.0, -1.0, 1e-140, 2e-140])
    rise = fit_rise(hjd, np.array([0.0, 0.0, 0.0, 1.0, 2.0]), np.ones(5), 0.0)
    assert rise.slope == 0.0
