"""Lone spikes vanish; rises, caustic crossings and the newest point don't."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_worker.preprocessing import COLUMNS, SITES, PreprocessingOptions
from stream_worker.preprocessing.kernels import running_median
from stream_worker.preprocessing.outliers import find_outliers
from stream_worker.preprocessing.report import OUTLIER_RULES

FLUX, FLUX_ERR = COLUMNS.index("flux"), COLUMNS.index("flux_err")
OPTIONS = PreprocessingOptions()
SEEDS = st.integers(0, 2**32 - 1)


def series(seed, n, *, sigma=300.0):
    """A quiet star at one site: noise within the errors, all columns with some spread."""
    rng = np.random.default_rng(seed)
    columns = np.empty((len(COLUMNS), n))
    columns[0] = np.cumsum(rng.uniform(0.01, 1.0, n))
    columns[FLUX] = rng.uniform(-1.0, 1.0, n) * sigma
    columns[FLUX_ERR] = sigma * rng.uniform(0.9, 1.1, n)
    columns[3] = rng.uniform(800.0, 1600.0, n)
    columns[4] = rng.uniform(3.0, 6.0, n)
    columns[5] = rng.uniform(1.0, 1.9, n)
    columns[6] = rng.uniform(0.8, 1.4, n)
    return columns


def outliers(columns, options=OPTIONS):
    n = columns.shape[1]
    rows, rules = find_outliers(columns, (0, n, n, n), options)
    return {int(row): OUTLIER_RULES[rule] for row, rule in zip(rows, rules, strict=True)}


@given(seed=SEEDS, n=st.integers(1, 300))
@settings(max_examples=100, deadline=None)
def test_a_quiet_star_loses_nothing(seed, n):
    assert outliers(series(seed, n)) == {}


@given(seed=SEEDS, n=st.integers(20, 300), height=st.floats(15.0, 1e6), data=st.data())
@settings(max_examples=150, deadline=None)
def test_lone_spikes_vanish(seed, n, height, data):
    columns = series(seed, n)
    spikes = data.draw(
        st.lists(st.integers(0, (n - 2) // 2), min_size=1, max_size=min(n // 20, 5), unique=True).map(
            lambda rows: sorted(2 * row for row in rows)
        )
    )
    columns[FLUX, spikes] += height * 300.0
    assert outliers(columns) == dict.fromkeys(spikes, "outlier_flux")


@given(
    seed=SEEDS,
    n=st.integers(40, 300),
    height=st.floats(12.0, 1e5),
    ratio=st.floats(0.8, 1.25),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_a_caustic_crossing_with_two_points_survives(seed, n, height, ratio, data):
    columns = series(seed, n)
    at = data.draw(st.integers(0, n - 2))
    columns[FLUX, at : at + 2] += np.array([height, height * ratio]) * 300.0
    assert outliers(columns) == {}


@given(
    seed=SEEDS,
    n=st.integers(24, 300),
    step=st.floats(0.003, 5.0),
    t_einstein=st.floats(0.3, 100.0),
    u_0=st.floats(0.003, 1.0),
    behind=st.floats(0.0, 2.0),
    source=st.floats(1e2, 1e6),
)
@settings(max_examples=300, deadline=None)
def test_a_rising_event_survives_however_sparse(seed, n, step, t_einstein, u_0, behind, source):
    columns = series(seed, n)
    columns[0] = step * np.arange(n)
    t_0 = columns[0, -1] + behind * t_einstein
    u = np.hypot(u_0, (columns[0] - t_0) / t_einstein)
    excess = source * ((u**2 + 2.0) / (u * np.sqrt(u**2 + 4.0)) - 1.0)
    excess = np.where(np.arange(n) < 12, 0.0, excess - excess[11])
    columns[FLUX] += excess
    # photon noise and a systematic part grow with the star, its PSF chi-square too
    columns[FLUX_ERR] = np.sqrt(columns[FLUX_ERR] ** 2 + excess / 2.6 + (0.004 * excess) ** 2)
    columns[6] *= 1.0 + 1e-5 * excess
    assert outliers(columns) == {}


def test_the_newest_row_of_each_site_stays():
    columns = np.concatenate([series(seed, 60) for seed in range(3)], axis=1)
    columns[FLUX, [59, 119, 179]] += 1e6
    columns[4, [59, 119, 179]] = 60.0
    assert find_outliers(columns, (0, 60, 120, 180), OPTIONS)[0].size == 0
    assert find_outliers(columns, (0, 180, 180, 180), OPTIONS)[0].tolist() == [59, 119]


def test_the_neighbour_is_of_the_same_site():
    columns = np.concatenate([series(0, 60), series(1, 60)], axis=1)
    columns[FLUX, [59, 60]] += 1e6
    rows, rules = find_outliers(columns, (0, 60, 120, 120), OPTIONS)
    assert (rows.tolist(), rules.tolist()) == ([60], [0])


@pytest.mark.parametrize(("sigmas", "removed"), [(6.5, False), (9.5, True), (-3.9, False), (-6.5, True)])
def test_the_limit_is_lower_below_than_above(sigmas, removed):
    columns = series(0, 100)
    columns[FLUX], columns[FLUX_ERR] = 0.0, 300.0
    columns[FLUX, 50] = sigmas * 300.0
    assert outliers(columns) == ({50: "outlier_flux"} if removed else {})


def test_the_scatter_counts_where_it_exceeds_the_errors():
    columns = series(0, 100)
    columns[FLUX] = 3000.0 * (-1.0) ** np.arange(100) * np.linspace(0.5, 1.5, 100)
    columns[FLUX, 50] = 9000.0
    assert columns[FLUX, 50] > 8 * 330.0 + columns[FLUX].mean()
    assert outliers(columns) == {}


@pytest.mark.parametrize(
    ("column", "value"),
    [("flux_err", 3e4), ("sky_background", 1e5), ("fwhm", 40.0), ("airmass", 9.0), ("psf_quality", 60.0)],
)
def test_the_other_columns_are_judged_too(column, value):
    columns = series(0, 100)
    columns[COLUMNS.index(column), 50] = value
    assert outliers(columns) == {50: f"outlier_{column}"}


@pytest.mark.parametrize("column", ["sky_background", "fwhm", "psf_quality"])
def test_the_other_columns_are_judged_below_as_well(column):
    columns = series(0, 100)
    columns[COLUMNS.index(column), 50] = 1e-3
    assert outliers(columns) == {50: f"outlier_{column}"}


def test_values_without_logarithm_are_not_judged():
    columns = series(0, 100)
    columns[3:, 10:13] = [[0.0, -5.0, np.nan]] * 4
    assert outliers(columns) == {}


def test_columns_not_measured_or_constant_are_not_judged():
    columns = series(0, 100)
    columns[3], columns[4], columns[6] = np.nan, 4.0, 1.0
    columns[4, 50], columns[6, 51] = 4.0 * 1.3, 1.0 / 1.3
    assert outliers(columns) == {}


def test_a_large_error_or_chi_square_is_forgiven_to_a_bright_star_only():
    columns = series(0, 100)
    columns[FLUX_ERR, 50:52], columns[6, 50:52] = 5000.0, 30.0
    assert set(outliers(columns)) == {50, 51}
    columns[FLUX, 50:52] = 1e5
    assert outliers(columns) == {}


def test_no_more_than_a_twentieth_is_removed_and_the_worst_go_first():
    columns = series(0, 100)
    spikes = np.arange(10, 26, 2)
    columns[FLUX, spikes] += 300.0 * np.array([50.0, 20.0, 90.0, 30.0, 70.0, 25.0, 80.0, 60.0])
    columns[4, 70] = 1e8  # 11 times its limit; 50 sigma are 6 times theirs
    assert outliers(columns) == {
        14: "outlier_flux",
        18: "outlier_flux",
        22: "outlier_flux",
        24: "outlier_flux",
        70: "outlier_fwhm",
    }


@given(seed=SEEDS, n=st.integers(1, 120))
@settings(max_examples=100, deadline=None)
def test_the_cap_holds_whatever_the_data(seed, n):
    rng = np.random.default_rng(seed)
    columns = np.concatenate([series(seed, n), series(seed + 1, 40)], axis=1)
    spoiled = rng.random(columns.shape) < 0.2
    spoiled[0] = False
    columns[spoiled] = np.abs(rng.standard_cauchy(int(spoiled.sum()))) * 1e4
    bounds = (0, n, n, n + 40)
    rows, rules = find_outliers(columns, bounds, OPTIONS)
    assert np.all(np.diff(rows) > 0)
    assert np.sum(rows < n) <= 0.05 * n
    assert np.sum(rows >= n) <= 0.05 * 40
    assert rules.size == rows.size


@given(seed=SEEDS)
@settings(max_examples=50, deadline=None)
def test_a_site_is_judged_by_itself(seed):
    rng = np.random.default_rng(seed)
    sites = []
    for site in range(len(SITES)):
        columns = series(seed + site, int(rng.integers(0, 80)))
        columns[1:] *= rng.choice([0.01, 1.0, 1.0, 100.0], columns[1:].shape, p=[0.01, 0.49, 0.49, 0.01])
        sites.append(columns)
    bounds = tuple(np.cumsum([0, *(columns.shape[1] for columns in sites)]).tolist())
    rows, rules = find_outliers(np.concatenate(sites, axis=1), bounds, OPTIONS)
    together = {int(row): OUTLIER_RULES[rule] for row, rule in zip(rows, rules, strict=True)}
    apart = {
        row + start: rule
        for columns, start in zip(sites, bounds[:-1], strict=True)
        for row, rule in outliers(columns).items()
    }
    assert together == apart


@given(seed=SEEDS, n=st.integers(1, 60), window=st.sampled_from([1, 3, 11]))
@settings(max_examples=100, deadline=None)
def test_the_running_median_is_that_of_the_nearest_rows(seed, n, window):
    values = np.random.default_rng(seed).normal(size=n)
    width = window if n >= window else n - 1 + n % 2
    expected = []
    for i in range(n):
        start = min(max(i - width // 2, 0), n - width) if n > width else 0
        start = min(max(i, width // 2), n - 1 - width // 2) - width // 2
        expected.append(np.median(values[start : start + width]))
    np.testing.assert_array_equal(running_median(values, window), expected)
