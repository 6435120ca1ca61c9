"""Steps 0 to 3 and the crops: what is kept, in which order, and that the future doesn't matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_worker.preprocessing import (
    COLUMNS,
    RULES,
    SITES,
    LightCurve,
    PreprocessingOptions,
    TooFewObservations,
    clean,
    crop,
    features,
    prepare,
)

T_CUT, T_BREAK = 9344.75, 9325.0
WHERE = {"ra": 268.4, "dec": -31.0}
SEEDS = st.integers(0, 2**32 - 1)


def prepared(light_curves, mode="default", t_cut=T_CUT):
    return prepare(
        light_curves, t_break=T_BREAK, t_cut=t_cut, **WHERE, options=PreprocessingOptions(mode=mode)
    )


def test_rows_are_ascending_and_end_at_t_cut_inclusive(light_curve, rows_of):
    curve = light_curve(n=100)
    shuffled = rows_of(curve, np.random.default_rng(0).permutation(100))
    t_cut = float(curve.hjd[70])
    hjd = clean([shuffled], t_cut=t_cut).series.hjd[0]
    np.testing.assert_array_equal(hjd, curve.hjd[:71])


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("flux_err", 0.0, "flux_err"),
        ("flux_err", -5.0, "flux_err"),
        ("flux_err", np.nan, "not_finite"),
        ("flux_err", np.inf, "not_finite"),
        ("flux", -np.inf, "not_finite"),
        ("hjd", np.nan, "not_finite"),
        ("psf_quality", -0.01, "psf_quality"),
        ("psf_quality", 100.01, "psf_quality"),
        ("fwhm", -1.0, "fwhm"),
        ("psf_quality", 0.0, None),
        ("psf_quality", 100.0, None),
        ("fwhm", 0.0, None),
    ],
)
def test_row_rules(light_curve, column, value, rule):
    curve = light_curve(n=50)
    getattr(curve, column)[20] = value
    report = clean([curve], t_cut=T_CUT).report.sites[0]
    removed = {name: count for name, count in report.removed.items() if count}
    assert removed == ({rule: 1} if rule else {})
    assert report.rows_kept == (49 if rule else 50)


def test_a_row_that_breaks_several_rules_counts_once(light_curve):
    curve = light_curve(n=50)
    curve.flux[3], curve.flux_err[3], curve.fwhm[3], curve.psf_quality[3] = np.nan, -1.0, -1.0, 500.0
    curve.flux_err[4], curve.fwhm[4] = -1.0, -1.0
    removed = clean([curve], t_cut=T_CUT).report.sites[0].removed
    assert {name: count for name, count in removed.items() if count} == {"not_finite": 1, "flux_err": 1}


def test_of_rows_with_one_hjd_the_best_valid_one_stays(light_curve):
    curve = light_curve(n=50)
    curve.hjd[10:14] = curve.hjd[10]
    curve.flux_err[10:14] = [300.0, 200.0, 250.0, 100.0]
    curve.fwhm[13] = -1.0
    cleaned = clean([curve], t_cut=T_CUT)
    assert cleaned.report.sites[0].removed["duplicate"] == 2
    assert cleaned.report.sites[0].removed["fwhm"] == 1
    at = np.flatnonzero(cleaned.series.hjd[0] == curve.hjd[10])
    assert cleaned.series.site(0)[2, at] == [200.0]


def test_the_newest_points_are_kept_per_site(light_curve):
    curves = [light_curve(n=80), light_curve(1, n=40, site="SSO")]
    cleaned = clean(curves, t_cut=T_CUT, options=PreprocessingOptions(max_points=60))
    np.testing.assert_array_equal(cleaned.series.hjd[0], curves[0].hjd[-60:])
    np.testing.assert_array_equal(cleaned.series.hjd[2], curves[1].hjd)
    assert [site.removed["max_points"] for site in cleaned.report.sites] == [20, 0, 0]


def test_invalid_rows_do_not_count_towards_the_newest_points(light_curve):
    curve = light_curve(n=80)
    curve.flux_err[-10:] = -1.0
    cleaned = clean([curve], t_cut=T_CUT, options=PreprocessingOptions(max_points=60))
    np.testing.assert_array_equal(cleaned.series.hjd[0], curve.hjd[10:70])


def test_one_site_with_enough_points_is_enough(light_curve):
    curves = [light_curve(n=9), light_curve(1, n=10, site="SAAO")]
    assert [hjd.size for hjd in clean(curves, t_cut=T_CUT).series.hjd] == [9, 10, 0]


def test_too_few_observations_says_what_was_removed(light_curve):
    curves = [light_curve(n=12), light_curve(1, n=9, site="SSO")]
    curves[0].fwhm[:2] = -1.0
    curves[0].flux_err[2] = -1.0
    with pytest.raises(TooFewObservations) as raised:
        clean(curves, t_cut=T_CUT)
    report = raised.value.report
    assert [site.rows_kept for site in report.sites] == [9, 0, 9]
    assert report.sites[0].removed["fwhm"] == 2
    assert str(raised.value) == (
        "no site keeps 10 observations: CTIO 9 of 12 (removed: flux_err 1, fwhm 2); SAAO 0 of 0; SSO 9 of 9"
    )


def test_nothing_at_all_is_too_few():
    with pytest.raises(TooFewObservations):
        clean([], t_cut=T_CUT)


def test_outliers_can_make_too_few(light_curve):
    curve = light_curve(n=20)
    curve.flux[8] += 1e5
    options = PreprocessingOptions(min_points=20)
    cleaned = clean([curve], t_cut=T_CUT, options=options)
    with pytest.raises(TooFewObservations) as raised:
        features(cleaned, t_break=T_BREAK, **WHERE)
    assert raised.value.report.sites[0].removed["outlier_flux"] == 1


@pytest.mark.parametrize("t_cut", [np.nan, np.inf])
def test_t_cut_must_be_finite(light_curve, t_cut):
    with pytest.raises(ValueError, match="t_cut must be finite"):
        clean([light_curve()], t_cut=t_cut)


def test_t_break_must_be_finite(light_curve):
    with pytest.raises(ValueError, match="t_break must be finite"):
        clean([light_curve()], t_cut=T_CUT, t_break=np.nan)


def test_a_light_curve_of_unequal_columns_is_refused(light_curve):
    with pytest.raises(ValueError, match=r"CTIO BLG01: column fwhm has shape \(49,\), expected \(50,\)"):
        replace(light_curve(n=50), fwhm=np.ones(49))


def test_an_unknown_site_is_refused(light_curve):
    with pytest.raises(ValueError, match="site must be one of CTIO, SAAO, SSO, got 'Paranal'"):
        replace(light_curve(), site="Paranal")


@given(seed=SEEDS, mode=st.sampled_from(["default", "paper"]))
@settings(max_examples=60, deadline=None)
def test_neither_order_nor_repeats_matter(dirty_candidate, rows_of, alike, seed, mode):
    light_curves = dirty_candidate(seed)
    rng = np.random.default_rng(seed)
    changed = []
    for curve in light_curves:
        n = curve.hjd.size
        changed.append(rows_of(curve, rng.permutation(np.append(np.arange(n), rng.integers(0, n, 7)))))
    rng.shuffle(changed)
    assert alike(prepared(light_curves, mode), prepared(changed, mode))


def test_the_sign_of_zero_is_no_difference(light_curve, rows_of, alike):
    curve = light_curve(n=50)
    curve.flux[7] = -0.0
    twice = rows_of(curve, np.append(np.arange(50), 7))
    twice.flux[50] = 0.0
    assert alike(prepared([curve], "paper"), prepared([twice], "paper"))


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_a_dataset_in_pieces_is_one_dataset(dirty_candidate, rows_of, alike, seed):
    light_curves = dirty_candidate(seed)
    rng = np.random.default_rng(seed)
    pieces = []
    for curve in light_curves:
        order = rng.permutation(curve.hjd.size)
        at = int(rng.integers(order.size))
        pieces += [rows_of(curve, order[at:]), rows_of(curve, order[:at])]
    one, other = prepared(light_curves), prepared(pieces)
    assert alike(one, other)
    assert one.report == other.report


@given(seed=SEEDS, mode=st.sampled_from(["default", "paper"]))
@settings(max_examples=60, deadline=None)
def test_what_comes_after_t_cut_changes_nothing(dirty_candidate, alike, seed, mode):
    light_curves = dirty_candidate(seed)
    rng = np.random.default_rng(seed)
    with_future = []
    for curve in light_curves:
        n_later = int(rng.integers(1, 50))
        columns = {
            name: np.append(values, rng.choice([1e5, -1.0, np.nan, 300.0, 5.0], n_later))
            for name in COLUMNS[1:]
            if (values := getattr(curve, name)) is not None
        }
        hjd = np.append(curve.hjd, T_CUT + rng.choice([1e-5, 3.0, 1e31, np.inf], n_later))
        with_future.append(LightCurve(curve.site, curve.dataset, hjd, **columns))
    one, other = prepared(light_curves, mode), prepared(with_future, mode)
    assert alike(one, other)
    assert one.report == other.report


@given(seed=SEEDS, fraction=st.floats(0.4, 1.0), max_points=st.sampled_from([15, 1500]))
@settings(max_examples=60, deadline=None)
def test_cropping_on_the_right_is_cleaning_earlier(dirty_candidate, alike, seed, fraction, max_points):
    light_curves = dirty_candidate(seed)
    options = PreprocessingOptions(max_points=max_points)
    t_last = 9270.0 + fraction * (T_CUT - 9270.0)
    cropped = crop(clean(light_curves, t_cut=T_CUT, options=options), t_last=t_last)
    fresh = clean(light_curves, t_cut=t_last, options=options)
    assert cropped.t_cut == fresh.t_cut
    assert cropped.report == fresh.report
    one, other = (features(cleaned, t_break=T_BREAK, **WHERE) for cleaned in (cropped, fresh))
    assert alike(one, other)
    assert one.report == other.report


def test_crops_are_at_the_same_times_everywhere(three_sites):
    cropped = crop(clean(three_sites, t_cut=T_CUT), t_first=9290.0, t_last=9330.0)
    for hjd, curve in zip(cropped.series.hjd, three_sites, strict=True):
        np.testing.assert_array_equal(hjd, curve.hjd[(curve.hjd >= 9290.0) & (curve.hjd <= 9330.0)])
    assert cropped.t_cut == 9330.0


def test_a_crop_on_the_left_gives_room_to_rows_beyond_the_limit(light_curve):
    curve = light_curve(n=100)
    cleaned = clean([curve], t_cut=T_CUT, options=PreprocessingOptions(max_points=60))
    cropped = crop(cleaned, t_last=float(curve.hjd[79]))
    np.testing.assert_array_equal(cropped.series.hjd[0], curve.hjd[20:80])


def test_a_crop_may_leave_too_little_and_features_says_so(light_curve):
    cropped = crop(clean([light_curve()], t_cut=T_CUT), t_first=9344.74)
    assert sum(hjd.size for hjd in cropped.series.hjd) < 10
    with pytest.raises(TooFewObservations):
        features(cropped, t_break=T_BREAK, **WHERE)


@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_report_accounts_for_every_row(dirty_candidate, seed):
    light_curves = dirty_candidate(seed)
    result = prepared(light_curves)
    for index, site in enumerate(result.report.sites):
        curves = [curve for curve in light_curves if curve.site == SITES[index]]
        assert tuple(site.removed) == RULES
        assert site.rows_in == sum(int(np.sum(~(curve.hjd > T_CUT))) for curve in curves)
        assert site.rows_in == site.rows_kept + sum(site.removed.values())
        assert site.rows_kept == len(result.sites[index])
        newest = [result.t_last + t for t in result.sites[index][-1:, 0]]
        assert ([] if site.hjd_last is None else [site.hjd_last]) == pytest.approx(newest, abs=1e-9)
