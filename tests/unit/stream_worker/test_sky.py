from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_worker.sky import SkyCells, sexagesimal

CELLS = SkyCells(20.0)


def offset(ra: float, dec: float, distance_deg: float, angle: float) -> tuple[float, float]:
    """The point at a great-circle distance and position angle from (ra, dec)."""
    d, phi = math.radians(distance_deg), math.radians(dec)
    sin_dec = math.sin(phi) * math.cos(d) + math.cos(phi) * math.sin(d) * math.cos(angle)
    dec2 = math.asin(max(-1.0, min(1.0, sin_dec)))
    dra = math.atan2(
        math.sin(angle) * math.sin(d) * math.cos(phi), math.cos(d) - math.sin(phi) * math.sin(dec2)
    )
    return (ra + math.degrees(dra)) % 360, math.degrees(dec2)


def cells(ra: float, dec: float) -> tuple[int, ...]:
    return CELLS.cells(np.array([ra]), np.array([dec]))[0]


@settings(max_examples=600, deadline=None)
@given(
    ra=st.one_of(st.floats(0, 359.999), st.sampled_from([0.0, 45.0, 90.0, 359.9999])),
    dec=st.one_of(
        st.floats(-90, 90), st.floats(-35, -20), st.sampled_from([-90.0, 90.0, 41.8103, -41.8103, 0.0])
    ),
    distance=st.floats(0, 19.99),
    angle=st.floats(0, 2 * math.pi),
)
def test_whoever_is_within_the_radius_shares_a_cell(ra, dec, distance, angle):
    ra2, dec2 = offset(ra, dec, distance / 3600, angle)
    assert cells(ra2, dec2)[0] in cells(ra, dec)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_pairs_across_cell_edges_are_never_missed(seed):
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(260, 275, 50), rng.uniform(-36, -20, 50)
    edges = CELLS._healpix.boundaries_lonlat(CELLS._cell(ra, dec), step=3)
    lon, lat = edges[0].to_value("deg").ravel(), edges[1].to_value("deg").ravel()
    for lon_edge, lat_edge in zip(lon[:60], lat[:60], strict=True):
        first = offset(lon_edge, lat_edge, rng.uniform(0, 9.9) / 3600, rng.uniform(0, 7))
        second = offset(lon_edge, lat_edge, rng.uniform(0, 9.9) / 3600, rng.uniform(0, 7))
        assert cells(*second)[0] in cells(*first)


def test_most_stars_need_no_copy():
    rng = np.random.default_rng(1)
    found = CELLS.cells(rng.uniform(262, 272, 2000), rng.uniform(-35, -22, 2000))
    assert sum(len(c) == 1 for c in found) > 1600
    assert max(len(c) for c in found) <= 4
    assert all(len(set(c)) == len(c) for c in found)


@pytest.mark.parametrize(
    ("ra", "dec", "expected"),
    [
        (0.0, 0.0, ("00:00:00.00", "+00:00:00.0")),
        (267.97, -30.41, ("17:51:52.80", "-30:24:36.0")),
        (359.999999999, -0.000001, ("00:00:00.00", "-00:00:00.0")),
        (14.9999999, 89.99999999, ("01:00:00.00", "+90:00:00.0")),
        (270.0, -29.99999, ("18:00:00.00", "-30:00:00.0")),
    ],
)
def test_sexagesimal_never_shows_sixty(ra, dec, expected):
    assert sexagesimal(ra, dec) == expected


def test_another_radius_moves_no_star_to_another_home():
    rng = np.random.default_rng(3)
    ra, dec = rng.uniform(0, 360, 300), np.degrees(np.arcsin(rng.uniform(-1, 1, 300)))
    changing = SkyCells(20.0)
    for radius in (60.0, 5.0, 20.0):
        changing.follow(radius)
        assert changing.cells(ra, dec) == SkyCells(radius).cells(ra, dec)
        assert [found[0] for found in changing.cells(ra, dec)] == [found[0] for found in CELLS.cells(ra, dec)]


def test_many_stars_are_placed_as_each_alone():
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 360, 300), np.degrees(np.arcsin(rng.uniform(-1, 1, 300)))
    together = CELLS.cells(ra, dec)
    assert together == [cells(*where) for where in zip(ra, dec, strict=True)]
    assert any(len(found) > 1 for found in together)
