"""Overlapping fields of one site become one series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_worker.preprocessing import (
    AUXILIARIES,
    COLUMNS,
    LightCurve,
    PreprocessingOptions,
    clean,
    features,
)

T_CUT, T_BREAK = 9344.75, 9325.0
FLUX, FLUX_ERR = COLUMNS.index("flux"), COLUMNS.index("flux_err")


def merged(light_curves, **keywords):
    cleaned = clean(light_curves, t_cut=T_CUT, **keywords)
    return cleaned.series, cleaned.report.sites[0].datasets


def without_noise(curve, offset):
    return replace(curve, flux=offset + 100.0 * np.maximum(curve.hjd - T_BREAK, 0.0))


def test_common_nights_give_the_offset_also_during_the_rise(light_curve):
    longer, shorter = light_curve(1, n=200, dataset="BLG42"), light_curve(2, n=150, dataset="BLG02")
    series, datasets = merged([longer, replace(shorter, flux=shorter.flux + 5000.0)])
    assert [(d.dataset, d.rows, d.method) for d in datasets] == [
        ("BLG42", 200, "reference"),
        ("BLG02", 150, "common_nights"),
    ]
    assert datasets[0].offset == 0.0
    assert datasets[1].offset == pytest.approx(-5000.0, abs=150.0)
    np.testing.assert_array_equal(series.hjd[0], np.sort(np.append(longer.hjd, shorter.hjd)))


def test_the_night_is_that_of_the_site():
    # one night in Chile spans two days of UT: 23 h and 5 h UT are the same night, 13 h UT is noon
    hjd = np.arange(9300.0, 9310.0) + 0.45
    columns = {"flux_err": np.full(10, 10.0), "dataset": "BLG01", "site": "CTIO"}
    evening = LightCurve(hjd=hjd, flux=np.arange(10.0) ** 2, **columns)
    morning = replace(evening, hjd=hjd + 0.25, flux=evening.flux + 77.0, dataset="BLG02")
    _, datasets = merged([evening, morning])
    assert (datasets[1].method, datasets[1].offset) == ("common_nights", pytest.approx(-77.0))


def test_the_offset_is_the_median_over_nights_of_weighted_means():
    nights = np.arange(9300.0, 9305.0) + 0.7
    base = LightCurve("CTIO", "BLG01", nights, np.zeros(5), np.ones(5))
    hjd = np.concatenate([nights, nights + 0.01])
    flux = np.concatenate([[10.0, 10.0, 10.0, 10.0, 9000.0], [40.0, 40.0, 40.0, 40.0, 9000.0]])
    other = LightCurve("CTIO", "BLG02", hjd, flux, np.repeat([1.0, 2.0], 5))
    # the one with more rows is the reference, so that BLG01 moves by the weighted mean (4 * 10 + 40) / 5
    _, datasets = merged([base, other])
    assert (datasets[1].dataset, datasets[1].offset) == ("BLG01", pytest.approx(16.0))


def test_without_common_nights_the_medians_before_the_break_are_matched(light_curve):
    first = without_noise(light_curve(1, n=100, dataset="BLG02", t_end=9300.0), 0.0)
    second = without_noise(light_curve(2, n=90, dataset="BLG42", t_start=9301.0), 700.0)
    series, datasets = merged([first, second], t_break=T_BREAK)
    assert (datasets[1].method, datasets[1].offset) == ("pre_break_medians", -700.0)
    flux = series.site(0)[FLUX]
    np.testing.assert_allclose(flux, 100.0 * np.maximum(series.hjd[0] - T_BREAK, 0.0), atol=1e-9)


def test_without_rows_before_the_break_the_medians_are_matched(light_curve):
    first = without_noise(light_curve(1, n=100, dataset="BLG02", t_end=9300.0), 0.0)
    second = without_noise(light_curve(2, n=90, dataset="BLG42", t_start=9330.0), 700.0)
    _, datasets = merged([first, second], t_break=T_BREAK)
    assert (datasets[1].method, datasets[1].offset) == ("medians", -np.median(second.flux))


def test_too_few_common_nights_are_not_used(light_curve):
    first = without_noise(light_curve(1, n=100, dataset="BLG02", t_end=9303.0), 0.0)
    second = without_noise(light_curve(2, n=90, dataset="BLG42", t_start=9301.5), 700.0)
    for min_common_nights, method in ((1, "common_nights"), (3, "pre_break_medians")):
        options = PreprocessingOptions(min_common_nights=min_common_nights)
        _, datasets = merged([first, second], t_break=T_BREAK, options=options)
        assert (datasets[1].method, datasets[1].offset) == (method, pytest.approx(-700.0))


def test_features_settles_the_break_that_clean_did_not_know(light_curve):
    curves = [
        light_curve(1, n=100, dataset="BLG02", t_end=9300.0),
        light_curve(2, n=90, dataset="BLG42", t_start=9301.0),
    ]
    results = [
        features(clean(curves, t_cut=T_CUT, t_break=t_break), t_break=T_BREAK, ra=268.4, dec=-31.0)
        for t_break in (None, 9310.0, T_BREAK)
    ]
    methods = {result.report.sites[0].datasets[1].method for result in results}
    assert methods == {"pre_break_medians"}
    assert len({result.sites[0].tobytes() for result in results}) == 1


def test_a_third_field_may_hang_on_the_second(light_curve):
    first = without_noise(light_curve(1, n=100, dataset="BLG01", t_end=9295.0), 0.0)
    second = without_noise(light_curve(2, n=90, dataset="BLG02", t_start=9285.0, t_end=9320.0), 50.0)
    third = without_noise(light_curve(3, n=80, dataset="BLG03", t_start=9300.0, t_end=9324.0), -900.0)
    _, datasets = merged([third, first, second])
    assert [(d.dataset, d.method, round(d.offset, 6)) for d in datasets] == [
        ("BLG01", "reference", 0.0),
        ("BLG02", "common_nights", -50.0),
        ("BLG03", "common_nights", 900.0),
    ]


def test_of_datasets_with_equally_many_rows_the_first_by_name_is_the_reference(light_curve):
    curves = [light_curve(seed, dataset=f"BLG0{seed}") for seed in (3, 1, 2)]
    _, datasets = merged(curves)
    assert [d.dataset for d in datasets] == ["BLG01", "BLG02", "BLG03"]


def test_an_hjd_in_two_datasets_stays_once(light_curve):
    one = light_curve(n=100)
    other = replace(one, dataset="BLG02", flux_err=one.flux_err * 0.5)
    cleaned = clean([other, one], t_cut=T_CUT)
    assert cleaned.report.sites[0].removed["duplicate"] == 100
    np.testing.assert_array_equal(cleaned.series.site(0)[FLUX_ERR], one.flux_err)


def test_merging_comes_before_the_limit_on_points(light_curve):
    curves = [light_curve(1, n=50, dataset="BLG02"), light_curve(2, n=50, dataset="BLG42")]
    cleaned = clean(curves, t_cut=T_CUT, options=PreprocessingOptions(max_points=60))
    everything = np.sort(np.concatenate([curve.hjd for curve in curves]))
    np.testing.assert_array_equal(cleaned.series.hjd[0], everything[-60:])


def test_invalid_rows_have_no_say_in_the_offset(light_curve):
    longer, shorter = light_curve(1, n=200, dataset="BLG42"), light_curve(2, n=150, dataset="BLG02")
    _, datasets = merged([longer, shorter])
    spoiled = replace(shorter, flux=shorter.flux.copy(), flux_err=shorter.flux_err.copy())
    spoiled.flux[::3], spoiled.flux_err[::3] = 1e6, -1.0
    fewer = [
        longer,
        replace(
            shorter,
            **{
                name: np.delete(values, np.s_[::3])
                for name in COLUMNS
                if (values := getattr(shorter, name)) is not None
            },
        ),
    ]
    assert merged([longer, spoiled])[1][1].offset == merged(fewer)[1][1].offset
    assert merged([longer, spoiled])[1][1].offset != datasets[1].offset


@given(missing=st.sets(st.sampled_from(AUXILIARIES)), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_availability_is_that_of_the_rows_own_dataset(light_curve, missing, seed):
    with_all = light_curve(seed, n=60, dataset="BLG02")
    without = light_curve(seed + 1, n=40, dataset="BLG42", missing=tuple(missing))
    result = features(clean([with_all, without], t_cut=T_CUT), t_break=T_BREAK, ra=268.4, dec=-31.0)
    matrix = result.sites[0]
    theirs = np.isin(np.round(matrix[:, 0] + result.t_last, 6), np.round(without.hjd, 6))
    assert theirs.sum() == 40
    for name, feature, channel in (("sky_background", 3, 9), ("fwhm", 4, 10), ("psf_quality", 6, 11)):
        absent = theirs & (name in missing)
        np.testing.assert_array_equal(matrix[:, channel], np.where(absent, 0.0, 1.0))
        np.testing.assert_array_equal(np.isnan(matrix[:, feature]), absent)
    assert np.isfinite(matrix[:, 5]).all()
    assert result.report.sites[0].auxiliaries == AUXILIARIES
