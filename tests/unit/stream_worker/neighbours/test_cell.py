"""Stars of a cell by position, against all pairs, while they come, move and go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sky import offset_by

from stream_worker.neighbours.cell import Cell
from stream_worker.neighbours.geometry import SphereGrid, separation_arcsec
from stream_worker.neighbours.star import Star

CENTRES = [(268.0, -30.0), (0.0, 0.0), (359.99999, 41.0), (12.0, 90.0), (200.0, -89.99999), (180.0, 1e-9)]


@settings(max_examples=60)
@given(
    radius=st.sampled_from([0.01, 0.9, 1.0, 20.0, 60.0]),
    centre=st.sampled_from(CENTRES),
    seed=st.integers(0, 2**32),
)
def test_near_is_whoever_lies_within_the_radius(radius, centre, seed):
    rng = np.random.default_rng(seed)
    cell, known = Cell(SphereGrid(radius)), {}
    for _ in range(60):
        star_id = f"S{rng.integers(25):02d}"
        if rng.random() < 0.2:
            cell.remove(star_id)
            known.pop(star_id, None)
            continue
        where = known.get(star_id) if rng.random() < 0.2 else None
        place = (where.ra, where.dec) if where else offset_by(*centre, *rng.normal(0, 1.5 * radius, 2))
        known[star_id] = Star(star_id, True, *place)
        cell.put(known[star_id])
    assert {star.star_id: star for star in cell} == known
    assert len(cell) == len(known)
    for star in known.values():
        apart = {s.star_id: separation_arcsec(star.ra, star.dec, s.ra, s.dec) for s in known.values()}
        expected = {other: d for other, d in apart.items() if d <= radius and other != star.star_id}
        found = cell.near(star, radius)
        assert {n.star.star_id: n.separation_arcsec for n in found} == pytest.approx(expected)
        assert len(found) == len(expected)
        assert all(n.star is known[n.star.star_id] for n in found)
