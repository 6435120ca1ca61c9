"""Steps 7 to 10: the channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_worker.preprocessing import (
    AUXILIARIES,
    COLUMNS,
    FEATURES,
    MAX_STANDARDISED,
    SITE_POSITIONS,
    SITES,
    LightCurve,
    PreprocessingOptions,
    Standardisation,
    airmass,
    clean,
    crop,
    features,
    fit_standardisation,
    prepare,
    standardise,
)

T_CUT, T_BREAK = 9344.75, 9325.0
RA, DEC = 268.4, -31.0
IDENTITY = Standardisation(np.zeros((3, 12)), np.ones((3, 12)))
CHANNEL = {name: index for index, name in enumerate(FEATURES)}
MODES = st.sampled_from(["default", "paper"])


def prepared(light_curves, mode="default", t_break=T_BREAK):
    return prepare(
        light_curves, t_break=t_break, t_cut=T_CUT, ra=RA, dec=DEC, options=PreprocessingOptions(mode=mode)
    )


def test_the_channels_of_a_clean_star_in_paper_mode(three_sites):
    result = prepared(three_sites, "paper")
    assert result.t_last == max(curve.hjd[-1] for curve in three_sites)
    assert result.t_break == T_BREAK - result.t_last
    for matrix, curve, rise in zip(result.sites, three_sites, result.rises, strict=True):
        assert matrix.shape == (120, 12)
        assert matrix.dtype == np.float64
        np.testing.assert_array_equal(matrix[:, 0], curve.hjd - result.t_last)
        for channel, name in enumerate(COLUMNS[1:], start=1):
            np.testing.assert_array_equal(matrix[:, channel], getattr(curve, name))
        line = rise.baseline + rise.slope * np.maximum(curve.hjd - T_BREAK, 0.0)
        np.testing.assert_allclose(matrix[:, CHANNEL["fit_line"]], line, rtol=1e-12, atol=1e-9)
        np.testing.assert_array_equal(matrix[:, 8:], 1.0)


def test_default_mode_scales_the_fluxes_by_the_star(three_sites):
    paper, default = prepared(three_sites, "paper"), prepared(three_sites, "default")
    assert paper.rises == default.rises
    for raw, scaled, rise in zip(paper.sites, default.sites, paper.rises, strict=True):
        for name in ("flux", "fit_line"):
            expected = np.arcsinh((raw[:, CHANNEL[name]] - rise.baseline) / rise.scatter)
            np.testing.assert_allclose(scaled[:, CHANNEL[name]], expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(scaled[:, 2], raw[:, 2] / rise.scatter, rtol=1e-15)
        others = [channel for channel in range(12) if channel not in (1, 2, 7)]
        np.testing.assert_array_equal(scaled[:, others], raw[:, others])


def test_the_brightness_of_the_star_does_not_matter_in_default_mode(light_curve):
    faint = light_curve()
    bright = replace(faint, flux=1e4 + 500.0 * faint.flux, flux_err=500.0 * faint.flux_err)
    np.testing.assert_allclose(prepared([faint]).sites[0], prepared([bright]).sites[0], rtol=1e-8, atol=1e-10)


def test_time_is_relative_to_the_newest_observation_of_any_site(light_curve):
    curves = [light_curve(1, t_end=9340.0), light_curve(2, site="SAAO", t_end=9330.0)]
    result = prepared(curves)
    assert result.sites[0][-1, 0] == 0.0
    assert result.sites[1][-1, 0] == curves[1].hjd[-1] - curves[0].hjd[-1]


def test_a_crop_moves_the_zero_of_time(three_sites):
    cropped = crop(clean(three_sites, t_cut=T_CUT), t_last=9335.0)
    result = features(cropped, t_break=T_BREAK, ra=RA, dec=DEC)
    assert result.t_last == max(curve.hjd[curve.hjd <= 9335.0][-1] for curve in three_sites)
    assert max(matrix[-1, 0] for matrix in result.sites) == 0.0


def test_outliers_are_gone_before_the_line_is_fitted(light_curve):
    curve = light_curve(n=100)
    spoiled = replace(curve, flux=curve.flux.copy())
    spoiled.flux[40] += 1e7
    fewer = {name: np.delete(getattr(curve, name), 40) for name in COLUMNS}
    with_spike, without = prepared([spoiled], "paper"), prepared([replace(curve, **fewer)], "paper")
    np.testing.assert_array_equal(with_spike.sites[0], without.sites[0])
    assert with_spike.rises == without.rises


def test_outliers_are_judged_before_incomplete_rows_go(light_curve):
    # row 41 lacks its FWHM, but still says that row 40 is no lone spike
    curve = light_curve(n=100)
    curve.flux[40:42] += 1e5
    curve.fwhm[41] = np.nan
    report = prepared([curve]).report.sites[0]
    assert {rule: n for rule, n in report.removed.items() if n} == {"missing_value": 1}


@pytest.mark.parametrize("name", ["sky_background", "fwhm", "psf_quality"])
def test_a_row_without_a_value_the_dataset_has_is_dropped(light_curve, name):
    curve = light_curve(n=100)
    getattr(curve, name)[[3, 50]] = np.nan, np.inf
    result = prepared([curve])
    assert result.report.sites[0].removed["missing_value"] == 2
    np.testing.assert_array_equal(result.sites[0][:, 0] + result.t_last, np.delete(curve.hjd, [3, 50]))


def test_a_missing_airmass_is_computed(light_curve):
    curve = light_curve(n=100, site="SSO")
    absent = replace(curve, airmass=None)
    expected = airmass(curve.hjd, SITE_POSITIONS["SSO"], RA, DEC)
    result = prepared([absent])
    np.testing.assert_array_equal(result.sites[2][:, 5], expected)
    assert "airmass" not in result.report.sites[2].auxiliaries
    sporadic = replace(curve, airmass=curve.airmass.copy())
    sporadic.airmass[7] = np.nan
    result = prepared([sporadic])
    np.testing.assert_array_equal(
        result.sites[2][:, 5], np.where(np.arange(100) == 7, expected, curve.airmass)
    )
    assert "airmass" in result.report.sites[2].auxiliaries


@given(absent=st.sets(st.sampled_from(AUXILIARIES)), as_nan=st.booleans(), mode=MODES)
@settings(max_examples=40, deadline=None)
def test_absent_columns_become_zero_and_say_so(light_curve, absent, as_nan, mode):
    curve = light_curve(missing=() if as_nan else tuple(absent))
    if as_nan:
        curve = replace(curve, **{name: np.full(120, np.nan) for name in absent})
    result = prepared([curve], mode)
    assert len(result.sites[0]) == 120
    assert result.report.sites[0].auxiliaries == tuple(name for name in AUXILIARIES if name not in absent)
    inputs = standardise(result, fit_standardisation([result]))[0]
    for name, channel, availability in (("sky_background", 3, 9), ("fwhm", 4, 10), ("psf_quality", 6, 11)):
        assert np.isnan(result.sites[0][:, channel]).all() == (name in absent)
        np.testing.assert_array_equal(inputs[:, availability], float(name not in absent))
        assert (np.ptp(inputs[:, channel]) == 0.0) == (name in absent)
    assert np.isfinite(inputs).all()


def test_a_column_measured_in_a_few_rows_only_counts_as_absent(light_curve):
    curve = light_curve(n=100)
    curve.fwhm[40:] = np.nan
    curve.sky_background[60:] = np.nan
    result = prepared([curve])
    assert result.report.sites[0].auxiliaries == ("sky_background", "airmass", "psf_quality")
    assert len(result.sites[0]) == 60
    assert np.isnan(result.sites[0][:, CHANNEL["fwhm"]]).all()


@pytest.mark.parametrize("site", SITES)
def test_a_candidate_of_one_site(light_curve, site):
    result = prepared([light_curve(site=site)])
    index = SITES.index(site)
    assert [matrix.shape for matrix in result.sites] == [(120 * (i == index), 12) for i in range(3)]
    assert [rise is not None for rise in result.rises] == [i == index for i in range(3)]
    inputs = standardise(result, IDENTITY)
    assert [values.shape for values in inputs] == [matrix.shape for matrix in result.sites]
    assert all(values.dtype == np.float32 for values in inputs)


def test_a_light_curve_without_rows_is_an_empty_site(light_curve):
    result = prepared([light_curve(), light_curve(n=0, site="SAAO")])
    assert [len(matrix) for matrix in result.sites] == [120, 0, 0]
    assert result.report.sites[1].rows_in == 0


@given(mode=MODES, level=st.sampled_from([0.0, 7.0, -1e6]), missing=st.booleans())
@settings(max_examples=20, deadline=None)
def test_constant_columns_give_zeros(light_curve, mode, level, missing):
    curve = light_curve(missing=AUXILIARIES if missing else ())
    constant = {name: np.full(120, 2.0) for name in COLUMNS[2:] if getattr(curve, name) is not None}
    result = prepared([replace(curve, flux=np.full(120, level), **constant)], mode)
    assert result.report.sites[0].rows_kept == 120
    inputs = standardise(result, fit_standardisation([result]))[0]
    np.testing.assert_allclose(inputs[:, [1, 2, 3, 4, 6, 7]], 0.0, atol=1e-6)


EXTREMES = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    5e-324,
    1e-310,
    1e-45,
    1e-30,
    1e15,
    -1e15,
    9e29,
    -9e29,
    1e30,
    3e38,
    1e300,
    np.inf,
    -np.inf,
    np.nan,
)


@given(
    seed=st.integers(0, 2**32 - 1),
    mode=MODES,
    dtype=st.sampled_from([np.float32, np.float64]),
    scales=st.tuples(st.integers(-28, 25), st.integers(-28, 25)),
    spoiled=st.dictionaries(st.sampled_from(COLUMNS), st.lists(st.sampled_from(EXTREMES), max_size=12)),
    t_break=st.sampled_from([T_BREAK, 0.0, -1e30, 1e30, 1e300]),
)
@settings(max_examples=300, deadline=None)
def test_extreme_values_never_reach_the_network(light_curve, seed, mode, dtype, scales, spoiled, t_break):
    curve = light_curve(seed, n=60, site="SAAO")
    rng = np.random.default_rng(seed)
    columns = {name: getattr(curve, name).copy() for name in COLUMNS}
    columns["flux"] *= 10.0 ** scales[0]
    columns["flux_err"] *= 10.0 ** scales[1]
    for name, values in spoiled.items():
        columns[name][rng.choice(60, len(values), replace=False)] = values
    with np.errstate(over="ignore"):
        packed = {name: columns[name].astype(dtype) for name in COLUMNS[1:]}
    spoiled_curve = LightCurve("SAAO", "BLG01", columns["hjd"], **packed)
    result = prepared([spoiled_curve, light_curve(seed, n=12)], mode, t_break)
    matrix = result.sites[1]
    assert np.isfinite(matrix[:, [0, 1, 2, 5, 7, 8, 9, 10, 11]]).all()
    assert not np.isinf(matrix).any()
    for standardisation in (IDENTITY, fit_standardisation([result])):
        inputs = standardise(result, standardisation)[1]
        assert np.isfinite(inputs).all()
        assert np.abs(inputs).max(initial=0.0) <= MAX_STANDARDISED


@given(seed=st.integers(0, 2**32 - 1), mode=MODES)
@settings(max_examples=30, deadline=None)
def test_the_type_of_the_input_does_not_matter(light_curve, seed, mode):
    single = light_curve(seed, dtype=np.float32)
    double = replace(single, **{name: getattr(single, name).astype(np.float64) for name in COLUMNS[1:]})
    one, other = prepared([single], mode), prepared([double], mode)
    np.testing.assert_array_equal(one.sites[0], other.sites[0])
    swapped = replace(double, flux=double.flux.astype(">f8"), hjd=double.hjd.astype(">f8"))
    np.testing.assert_array_equal(prepared([swapped], mode).sites[0], other.sites[0])


def test_the_input_is_left_as_it_is(dirty_candidate):
    light_curves = dirty_candidate(5)
    before = [
        {name: None if (v := getattr(curve, name)) is None else v.copy() for name in COLUMNS}
        for curve in light_curves
    ]
    for curve in light_curves:
        for name in COLUMNS:
            if getattr(curve, name) is not None:
                getattr(curve, name).flags.writeable = False
    prepared(light_curves)
    for curve, columns in zip(light_curves, before, strict=True):
        for name, values in columns.items():
            if values is not None:
                np.testing.assert_array_equal(getattr(curve, name), values)


@pytest.mark.parametrize(("ra", "dec"), [(np.nan, 0.0), (np.inf, 0.0), (0.0, 90.1), (0.0, np.nan)])
def test_the_position_must_be_one(light_curve, ra, dec):
    with pytest.raises(ValueError, match="ra must be finite and dec within -90 to 90 degrees"):
        prepare([light_curve()], t_break=T_BREAK, t_cut=T_CUT, ra=ra, dec=dec)


def test_the_break_must_be_finite(light_curve):
    cleaned = clean([light_curve()], t_cut=T_CUT)
    with pytest.raises(ValueError, match="t_break must be finite"):
        features(cleaned, t_break=np.inf, ra=RA, dec=DEC)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"mode": "fancy"}, "mode must be 'default' or 'paper', got 'fancy'"),
        ({"median_window": 10}, "median_window must be odd and positive, got 10"),
        ({"min_points": 0}, "need 1 <= min_points <= max_points, got 0 and 1500"),
        ({"max_points": 5}, "need 1 <= min_points <= max_points, got 10 and 5"),
    ],
)
def test_options_are_checked(keywords, message):
    with pytest.raises(ValueError, match=message):
        PreprocessingOptions(**keywords)
