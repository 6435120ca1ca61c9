"""The compiled loops do what the plain ones do."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_worker.preprocessing import kernels

_spec = importlib.util.spec_from_file_location("reference", Path(__file__).with_name("reference.py"))
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

SEEDS = st.integers(0, 2**32 - 1)
LIMITS = (11, 8.0, 5.0, 4.0, 6.0)
ODD_VALUES = [np.nan, np.inf, -np.inf, -1.0, 0.0, -0.0, 1e30, 9.9e29, 1e-31, 150.0]


def a_site(rng, n):
    """Valid rows of one site, some of them out of line, with values alike and values not measured."""
    columns = np.empty((7, n))
    columns[0] = np.cumsum(rng.uniform(0.01, 1.0, n))
    columns[1] = rng.normal(0.0, 300.0, n).round(int(rng.integers(-2, 4)))
    columns[2] = rng.choice([rng.uniform(250.0, 350.0, n), np.full(n, 300.0)])
    columns[3] = rng.lognormal(7.0, rng.choice([0.01, 0.4, 3.0]), n)
    columns[4] = rng.lognormal(1.5, 0.2, n).round(int(rng.integers(0, 4)))
    columns[5] = rng.uniform(1.0, 2.0, n)
    columns[6] = rng.lognormal(0.0, 0.2, n)
    columns[1:, rng.random(n) < 0.05] *= 40.0
    columns[3:][rng.random((4, n)) < 0.03] = rng.choice([np.nan, 0.0, -5.0])
    columns[rng.integers(3, 7), :] = rng.choice([np.nan, 2.0, columns[3, 0] if n else 1.0])
    return columns


def sites(rng, longest):
    each = [a_site(rng, int(rng.integers(0, longest))) for _ in range(3)]
    return np.concatenate(each, axis=1), (0, *np.cumsum([one.shape[1] for one in each]).tolist())


@given(seed=SEEDS, lengths=st.lists(st.integers(0, 40), max_size=5))
@settings(max_examples=100, deadline=None)
def test_parts_are_stacked_and_judged(seed, lengths):
    rng = np.random.default_rng(seed)
    parts = []
    for n in lengths:
        columns = rng.lognormal(0.0, 1.0, (7, n))
        columns[rng.random((7, n)) < 0.2] = rng.choice(ODD_VALUES)
        types = [">f4", "<f4", "<f8"]
        packed = [columns[0], *(values.astype(rng.choice(types)) for values in columns[1:])]
        if n and rng.random() < 0.5:  # as a packet has them: not aligned
            packed[1] = np.frombuffer(b"." + packed[1].tobytes(), packed[1].dtype, n, 1)
            packed[2] = np.repeat(packed[2], 2)[::2]
        if rng.random() < 0.5:
            packed[4] = None
        parts.append(tuple(packed))
    found, expected = kernels.stack(parts), reference.stack(parts)
    assert found.tobytes() == expected.tobytes()
    np.testing.assert_array_equal(kernels.judge(found), reference.judge(expected))
    np.testing.assert_array_equal(np.isnan(found[0]), ~(np.abs(expected[0]) < 1e30))


def test_a_part_whose_columns_differ_in_length_is_refused():
    with pytest.raises(ValueError, match="a column has 2 values, expected 3"):
        kernels.stack([(np.zeros(3), *[np.zeros(2, np.float32)] * 6)])


@given(hjd=st.lists(st.sampled_from([1.0, 2.0, 3.0, np.nan]), max_size=6), at=st.integers(0, 6))
def test_ascending_within_each_segment(hjd, at):
    bounds = (0, min(at, len(hjd)), len(hjd))
    columns = np.tile(np.array(hjd, dtype=float), (7, 1))
    expected = all((np.diff(hjd[a:b]) > 0).all() for a, b in pairwise(bounds))
    assert kernels.ascending(columns, bounds) == expected


@given(seed=SEEDS, n=st.integers(0, 300), window=st.sampled_from([1, 3, 11]))
@settings(max_examples=100, deadline=None)
def test_the_running_median(seed, n, window):
    values = np.random.default_rng(seed).normal(0.0, 3.0, n).round(int(seed % 3))
    np.testing.assert_array_equal(
        kernels.running_median(values, window), reference.running_median(values, window)
    )


@given(seed=SEEDS, longest=st.sampled_from([4, 60, 400]))
@settings(max_examples=150, deadline=None)
def test_outliers(seed, longest):
    columns, bounds = sites(np.random.default_rng(seed), longest)
    found = kernels.outliers(columns, bounds, *LIMITS)
    expected = reference.outliers(columns, bounds, *LIMITS)
    assert found == sorted(found)
    assert {one[1:]: one[0] for one in found} == pytest.approx(
        {one[1:]: one[0] for one in expected}, rel=1e-12
    )


@given(seed=SEEDS, n=st.integers(1, 400), before=st.floats(0.0, 1.0))
@settings(max_examples=150, deadline=None)
def test_the_rise(seed, n, before):
    rng = np.random.default_rng(seed)
    columns = a_site(rng, n)
    t_break = columns[0, 0] + before * (columns[0, -1] - columns[0, 0])
    _, found = kernels.fit_rises(columns, (0, 0, n), t_break, 3)
    expected = reference.fit_rise(*columns[:3], t_break, 3)
    assert found[1] == expected[1]
    assert found[3] == expected[3]
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-9, atol=1e-9)


@given(seed=SEEDS, n=st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_rows_are_kept_and_the_missing_counted(seed, n):
    rng = np.random.default_rng(seed)
    columns, source = a_site(rng, n), rng.integers(0, 3, n)
    keep = rng.random(n) < rng.choice([0.0, 0.5, 1.0])
    bounds = (0, n // 3, n // 3, n)
    new_bounds = (0, *(int(keep[:stop].sum()) for stop in bounds[1:]))
    kept, found_bounds = kernels.select(columns, keep.view(np.uint8), bounds)
    np.testing.assert_array_equal(kept, columns[:, keep])
    assert found_bounds == new_bounds
    rule = rng.integers(0, 6, n).astype(np.int8)
    assert kernels.count_rules(rule, bounds, 5) == [
        [int((rule[a:b] == one).sum()) for one in range(1, 6)] for a, b in pairwise(bounds)
    ]
    counted = kernels.count_missing(columns, source, 3)
    np.testing.assert_array_equal(
        counted, [np.isnan(columns[3:, source == one]).sum(axis=1) for one in range(3)]
    )
    has = rng.random((3, 4)) < 0.5
    channels, found_bounds = kernels.channels(
        columns, keep.view(np.uint8), bounds, source, has.view(np.uint8)
    )
    assert found_bounds == new_bounds
    np.testing.assert_array_equal(channels[:7], columns[:, keep])
    np.testing.assert_array_equal(channels[8], 1.0)
    np.testing.assert_array_equal(channels[9:], has[source[keep]][:, [0, 1, 3]].T)


@given(seed=SEEDS, n=st.integers(0, 80), m=st.integers(0, 80))
@settings(max_examples=100, deadline=None)
def test_fields_are_moved_and_interleaved(seed, n, m):
    rng = np.random.default_rng(seed)
    hjd = rng.choice(np.arange(200) / rng.choice([7.0, 70.0]), n + m, replace=False)
    one, other = a_site(rng, n), a_site(rng, m)
    one[0], other[0] = np.sort(hjd[:n]), np.sort(hjd[n:])
    common = min(n, m) // 4
    other[0, :common] = one[0, :common]
    other = other[:, np.unique(other[0], return_index=True)[1]]
    source = rng.integers(0, 2, n)
    columns, sources = kernels.interleave(one, source, other, 7, -30.0)
    expected, expected_sources = reference.interleave(one, source, other, 7, -30.0)
    np.testing.assert_array_equal(columns, expected)
    np.testing.assert_array_equal(sources, expected_sources)
    n_common, offset = kernels.night_offset(one, other, -70.8)
    differences = reference.night_differences(one, other, -70.8)
    assert n_common == len(differences)
    expected_offset = np.median(differences) if differences else np.nan
    np.testing.assert_allclose(offset, expected_offset, rtol=1e-12, atol=1e-9)


@given(seed=SEEDS, n=st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_inputs_are_standardised_to_the_bit(seed, n):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(0.0, 10.0 ** rng.integers(-3, 6), (12, n)).T
    matrix[rng.random(matrix.shape) < 0.1] = rng.choice([np.nan, 1e300, -1e300])
    mean, sd = (
        rng.choice([rng.normal(size=12), np.zeros(12)]),
        rng.choice([rng.uniform(0.1, 9, 12), np.ones(12)]),
    )
    for one in (matrix, np.ascontiguousarray(matrix)):
        found = kernels.standardise(one, mean, sd)
        assert found.flags.c_contiguous
        assert found.tobytes() == reference.standardise(one, mean, sd).tobytes()


@pytest.mark.parametrize("values", [np.full(2000, 7.0), np.arange(2000.0), np.arange(2000.0)[::-1]])
def test_many_values_in_order_or_alike(values):
    columns = np.tile(values + 1.0, (7, 1))
    expected = reference.outliers(columns, (0, 2000), *LIMITS)
    assert kernels.outliers(columns, (0, 2000), *LIMITS) == expected
