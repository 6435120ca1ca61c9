"""Standardisation by the training set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_worker.preprocessing import (
    FEATURES,
    MAX_STANDARDISED,
    Prepared,
    PreprocessingOptions,
    Standardisation,
    fit_standardisation,
    prepare,
    standardise,
)

FLUX, FIT_LINE = FEATURES.index("flux"), FEATURES.index("fit_line")


def prepared(light_curves, mode="paper"):
    options = PreprocessingOptions(mode=mode)
    return prepare(light_curves, t_break=9325.0, t_cut=9344.75, ra=268.4, dec=-31.0, options=options)


@given(seed=st.integers(0, 2**32 - 1), mode=st.sampled_from(["default", "paper"]))
@settings(max_examples=25, deadline=None)
def test_mean_and_sd_are_those_of_all_rows(light_curve, dirty_candidate, seed, mode):
    rng = np.random.default_rng(seed)
    training = [prepared(dirty_candidate(int(rng.integers(1 << 30))), mode) for _ in range(4)]
    training.append(prepared([light_curve(seed, site="SSO", missing=("fwhm",))], mode))
    fitted = fit_standardisation(iter(training))
    for site in (0, 2):
        rows = np.concatenate([candidate.sites[site] for candidate in training])
        for channel in range(7):
            values = rows[~np.isnan(rows[:, channel]), channel]
            mean, sd = (values.mean(), values.std()) if values.size else (0.0, 1.0)
            assert fitted.mean[site, channel] == pytest.approx(mean, rel=1e-9, abs=1e-9)
            assert fitted.sd[site, channel] == pytest.approx(sd, rel=1e-9)
    np.testing.assert_array_equal(fitted.mean[:, FIT_LINE], fitted.mean[:, FLUX])
    np.testing.assert_array_equal(fitted.sd[:, FIT_LINE], fitted.sd[:, FLUX])
    np.testing.assert_array_equal(fitted.mean[:, 8:], 0.0)
    np.testing.assert_array_equal(fitted.sd[:, 8:], 1.0)


def test_a_site_never_seen_gets_mean_0_and_sd_1(light_curve):
    fitted = fit_standardisation([prepared([light_curve()])])
    np.testing.assert_array_equal(fitted.mean[1:], 0.0)
    np.testing.assert_array_equal(fitted.sd[1:], 1.0)


def test_a_far_offset_does_not_spoil_the_sd(light_curve):
    near, far = (prepared([light_curve(offset=offset)]) for offset in (0.0, 1e12))
    assert fit_standardisation([far]).sd[0, FLUX] == pytest.approx(
        fit_standardisation([near]).sd[0, FLUX], rel=1e-3
    )


def test_the_inputs_are_standardised(three_sites):
    candidate = prepared(three_sites)
    fitted = fit_standardisation([candidate])
    for index, inputs in enumerate(standardise(candidate, fitted)):
        expected = (candidate.sites[index] - fitted.mean[index]) / fitted.sd[index]
        assert inputs.dtype == np.float32
        assert inputs.flags.c_contiguous
        np.testing.assert_array_equal(inputs, expected.astype(np.float32))
        np.testing.assert_allclose(inputs[:, :7].mean(axis=0), 0.0, atol=1e-5)
        np.testing.assert_allclose(inputs[:, :7].std(axis=0), 1.0, rtol=1e-5)
        np.testing.assert_array_equal(inputs[:, 8:], 1.0)


@given(
    values=st.lists(st.floats(allow_infinity=False, allow_subnormal=True), min_size=1, max_size=5),
    mean=st.floats(-1e300, 1e300),
    sd=st.floats(min_value=5e-324, max_value=1e300),
)
@settings(max_examples=200, deadline=None)
def test_inputs_are_bounded_and_finite(light_curve, values, mean, sd):
    matrix = np.repeat(np.array(values)[:, None], 12, axis=1)
    template = prepared([light_curve()])
    candidate = Prepared(
        (matrix, matrix[:0], matrix[:0]), template.t_last, template.t_break, template.rises, template.report
    )
    inputs, saao, sso = standardise(candidate, Standardisation(np.full((3, 12), mean), np.full((3, 12), sd)))
    assert np.isfinite(inputs).all()
    assert np.abs(inputs).max() <= MAX_STANDARDISED
    np.testing.assert_array_equal(inputs[np.isnan(matrix)], 0.0)
    assert saao.shape == sso.shape == (0, 12)


@pytest.mark.parametrize(
    ("mean", "sd", "message"),
    [
        (np.zeros((3, 11)), np.ones((3, 12)), r"mean has shape \(3, 11\), expected \(3, 12\)"),
        (np.zeros((3, 12)), np.ones((12,)), r"sd has shape \(12,\), expected \(3, 12\)"),
        (np.full((3, 12), np.nan), np.ones((3, 12)), "mean must be finite"),
        (np.zeros((3, 12)), np.full((3, 12), np.inf), "sd must be finite"),
        (np.zeros((3, 12)), np.zeros((3, 12)), "sd must be positive"),
    ],
)
def test_a_standardisation_is_checked(mean, sd, message):
    with pytest.raises(ValueError, match=message):
        Standardisation(mean, sd)
