"""This version of preprocessing does what the released one did."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from stream_worker.preprocessing import PREPROCESSING_VERSION, SITES, standardise

_spec = importlib.util.spec_from_file_location("golden_preprocessing", Path(__file__).with_name("golden.py"))
golden = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(golden)


@pytest.fixture(scope="module")
def arrays():
    with np.load(golden.PATH) as stored:
        return dict(stored)


def test_the_vectors_are_of_this_version():
    assert PREPROCESSING_VERSION == "1"


@pytest.mark.parametrize("mode", golden.MODES)
@pytest.mark.parametrize("index", range(golden.N_CANDIDATES))
def test_the_features_are_the_golden_ones(arrays, index, mode):
    prepared = golden.preprocess(arrays, index, mode)
    inputs = standardise(prepared, golden.standardisation())
    for site, matrix, values in zip(SITES, prepared.sites, inputs, strict=True):
        expected = arrays[f"{index}/{mode}/{site}/features"]
        np.testing.assert_allclose(matrix, expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(values, arrays[f"{index}/{mode}/{site}/inputs"], rtol=1e-6, atol=1e-6)


def test_the_candidates_take_every_path(arrays):
    reports = [golden.preprocess(arrays, index, "default").report for index in range(golden.N_CANDIDATES)]
    sites = [site for report in reports for site in report.sites]
    removed = {rule for site in sites for rule, count in site.removed.items() if count}
    assert removed >= {"flux_err", "psf_quality", "fwhm", "duplicate", "outlier_flux", "missing_value"}
    assert {dataset.method for site in sites for dataset in site.datasets} >= {
        "reference",
        "common_nights",
        "pre_break_medians",
    }
    assert {site.rows_in > 0 for site in sites} == {True, False}
    assert any(site.auxiliaries == () for site in sites if site.rows_kept)


def test_the_file_is_small():
    assert golden.PATH.stat().st_size < 200_000
