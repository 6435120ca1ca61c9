"""Which site and dataset a candidate is named after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_worker.preprocessing import SITES, fit_broken_line, trigger

T_CUT = 9344.75


def test_the_steepest_site_wins(light_curve):
    curves = [
        light_curve(1, slope=50.0),
        light_curve(2, site="SSO", slope=200.0),
        light_curve(3, site="SAAO"),
    ]
    found = trigger(curves, t_cut=T_CUT)
    expected = fit_broken_line(curves[1].hjd, curves[1].flux, curves[1].flux_err)
    assert (found.site, found.dataset, found.t_cut) == ("SSO", "BLG01", T_CUT)
    assert (found.t_break, found.slope, found.delta_chi2) == (
        expected.t_break,
        expected.slope,
        expected.delta_chi2,
    )
    assert found.t_break == pytest.approx(9325.0, abs=3.0)


def test_overlapping_fields_are_fitted_together_and_the_strongest_is_named(light_curve):
    weak, strong = light_curve(1, n=90, dataset="BLG02"), light_curve(2, n=200, dataset="BLG42")
    found = trigger([weak, strong], t_cut=T_CUT)
    alone = trigger([strong], t_cut=T_CUT)
    assert (found.site, found.dataset) == ("CTIO", "BLG42")
    assert found.delta_chi2 > alone.delta_chi2


@pytest.mark.parametrize(
    ("column", "value"),
    [("flux_err", 2001.0), ("flux_err", -1.0), ("fwhm", 10.1), ("fwhm", -1.0), ("psf_quality", 20.5)],
)
def test_masked_rows_have_no_say(light_curve, column, value):
    curve = light_curve(4)
    spoiled = replace(curve, flux=curve.flux.copy(), **{column: getattr(curve, column).copy()})
    spoiled.flux[-10:-5] = -1e5
    getattr(spoiled, column)[-10:-5] = value
    keep = np.ones(curve.hjd.size, dtype=bool)
    keep[-10:-5] = False
    fewer = {name: getattr(curve, name)[keep] for name in ("hjd", "flux", "flux_err")}
    missing = dict.fromkeys(("sky_background", "fwhm", "airmass", "psf_quality"))
    assert trigger([spoiled], t_cut=T_CUT) == trigger([replace(curve, **fewer, **missing)], t_cut=T_CUT)


def test_the_bounds_of_the_mask_are_inclusive(light_curve):
    curve = light_curve(4)
    curve.flux_err[5], curve.fwhm[6], curve.psf_quality[7] = 2000.0, 10.0, 20.0
    expected = fit_broken_line(curve.hjd, curve.flux, curve.flux_err)
    assert trigger([curve], t_cut=T_CUT).delta_chi2 == expected.delta_chi2


def test_n_high_counts_among_the_newest_twenty(light_curve):
    curve = light_curve(5, n=100, slope=0.0)
    curve.flux[:], curve.flux_err[:] = 100.0, 10.0
    curve.flux[[10, 85, 90]] = 130.0
    curve.flux[95] = 129.9
    assert trigger([curve], t_cut=T_CUT).n_high == 2


def test_a_site_without_recent_data_only_wins_if_all_are_old(light_curve):
    old = light_curve(1, slope=500.0, t_end=T_CUT - 3.6)
    recent = light_curve(2, site="SSO", slope=20.0)
    assert trigger([old, recent], t_cut=T_CUT).site == "SSO"
    assert trigger([old], t_cut=T_CUT).site == "CTIO"


def test_a_star_that_does_not_rise_has_no_delta_chi2(light_curve):
    curve = light_curve(1)
    found = trigger([replace(curve, flux=-curve.hjd)], t_cut=T_CUT)
    assert (found.slope, found.delta_chi2) == (0.0, 0.0)


@pytest.mark.parametrize("n", [0, 2])
def test_without_observations_there_is_no_trigger(light_curve, n):
    assert trigger([light_curve(n=n)], t_cut=T_CUT) is None
    assert trigger([], t_cut=T_CUT) is None


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_neither_order_nor_the_future_matter(dirty_candidate, rows_of, seed):
    curves = dirty_candidate(seed)
    rng = np.random.default_rng(seed)
    shuffled = [rows_of(curve, rng.permutation(curve.hjd.size)) for curve in curves[::-1]]
    t_cut = 9335.0
    past = [rows_of(curve, np.flatnonzero(~(curve.hjd > t_cut))) for curve in curves]
    expected = trigger(curves, t_cut=t_cut)
    assert trigger(shuffled, t_cut=t_cut) == expected
    assert trigger(past, t_cut=t_cut) == expected
    assert expected.site in SITES
