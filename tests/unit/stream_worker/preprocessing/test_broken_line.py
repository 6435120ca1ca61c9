"""The closed form of the broken line against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_worker.preprocessing import fit_broken_line


def brute_force(t, flux, flux_err):
    """Fit every break by least squares; the rising fit with the largest delta_chi2, or None."""
    weight = 1.0 / flux_err
    mean = np.average(flux, weights=weight**2)
    chi2_flat = np.sum(((flux - mean) * weight) ** 2)
    best = None
    for t_break in np.unique(t)[:-1]:
        x = np.maximum(t - t_break, 0.0)
        design = np.stack([np.ones(t.size), x], axis=1) * weight[:, None]
        (a0, slope), *_ = np.linalg.lstsq(design, flux * weight, rcond=None)
        delta = chi2_flat - np.sum((flux * weight - design @ [a0, slope]) ** 2)
        if slope > 0 and (best is None or delta > best[3]):
            best = (t_break, a0, slope, delta)
    return best, chi2_flat


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(3, 60),
    slope=st.floats(-50.0, 200.0),
    epoch=st.sampled_from([0.0, 9000.0]),
)
@settings(max_examples=150, deadline=None)
def test_it_agrees_with_brute_force(seed, n, slope, epoch):
    rng = np.random.default_rng(seed)
    t = epoch + np.sort(rng.uniform(0.0, 100.0, n))
    flux_err = rng.lognormal(np.log(300.0), 0.5, n)
    flux = 4000.0 + rng.normal(0.0, flux_err) + slope * np.maximum(t - epoch - 60.0, 0.0)
    order = rng.permutation(n)
    line = fit_broken_line(t[order], flux[order], flux_err[order])
    best, chi2_flat = brute_force(t, flux, flux_err)
    assert line.chi2_flat == pytest.approx(chi2_flat, rel=1e-9)
    assert line.n == n
    if best is None:
        assert (line.slope, line.delta_chi2, line.t_break) == (0.0, 0.0, t[-1])
        return
    assert line.delta_chi2 == pytest.approx(best[3], rel=1e-7, abs=1e-7)
    # a0, slope and t_break reach that chi-square, which only the best line does
    model = line.a0 + line.slope * np.maximum(t - line.t_break, 0.0)
    chi2 = np.sum(((flux - model) / flux_err) ** 2)
    assert chi2_flat - chi2 == pytest.approx(best[3], rel=1e-7, abs=1e-7)
    assert line.t_break in t


def test_an_exact_broken_line_is_found():
    t = np.arange(9200.0, 9300.0)
    line = fit_broken_line(t, 50.0 + 12.0 * np.maximum(t - 9270.0, 0.0), np.full(100, 3.0))
    assert (line.t_break, line.n) == (9270.0, 100)
    assert (line.a0, line.slope) == (pytest.approx(50.0), pytest.approx(12.0))
    assert line.delta_chi2 == pytest.approx(line.chi2_flat)


def test_a_decline_is_no_detection():
    t = np.arange(100.0)
    line = fit_broken_line(t, -t, np.ones(100))
    assert (line.slope, line.delta_chi2, line.t_break, line.a0) == (0.0, 0.0, 99.0, -49.5)


@pytest.mark.parametrize("n", [1, 5])
def test_one_epoch_is_flat(n):
    line = fit_broken_line(np.full(n, 9300.0), np.arange(n, dtype=float), np.ones(n))
    assert (line.slope, line.delta_chi2, line.n) == (0.0, 0.0, n)


def test_constant_flux_is_flat():
    line = fit_broken_line(np.arange(50.0), np.full(50, 3.7), np.full(50, 0.1))
    assert line.delta_chi2 == pytest.approx(0.0, abs=1e-12)
    assert line.chi2_flat == pytest.approx(0.0, abs=1e-12)


def test_an_offset_of_the_time_or_of_the_flux_changes_nothing():
    rng = np.random.default_rng(3)
    t = np.sort(rng.uniform(0.0, 100.0, 400))
    flux = rng.normal(0.0, 300.0, 400) + 90.0 * np.maximum(t - 80.0, 0.0)
    here = fit_broken_line(t, flux, np.full(400, 300.0))
    there = fit_broken_line(t + 2450000.0, flux + 1e7, np.full(400, 300.0))
    assert there.delta_chi2 == pytest.approx(here.delta_chi2, rel=1e-6)
    assert there.t_break == pytest.approx(here.t_break + 2450000.0, abs=1e-9)


def test_float32_and_integers_are_fine():
    t = np.arange(20)
    line = fit_broken_line(t, np.maximum(t - 10, 0).astype(np.float32), np.ones(20, dtype=np.float32))
    assert (line.t_break, line.slope) == (10.0, pytest.approx(1.0))


@pytest.mark.parametrize(
    ("column", "value"), [(0, np.nan), (0, np.inf), (1, np.nan), (2, 0.0), (2, -1.0), (2, np.nan)]
)
def test_what_is_no_observation_is_named(column, value):
    columns = [np.arange(5.0), np.zeros(5), np.ones(5)]
    columns[column][3] = value
    with pytest.raises(ValueError, match=r"observation 3: t .* expected finite values and flux_err > 0"):
        fit_broken_line(*columns)


@pytest.mark.parametrize("lengths", [(0, 0, 0), (3, 3, 2), (3, 2, 3)])
def test_lengths_must_agree(lengths):
    with pytest.raises(ValueError, match="as long as each other and not empty"):
        fit_broken_line(*(np.ones(n) for n in lengths))
