"""Random skies, and who is primary in them by brute force over all pairs."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from math import nan

import numpy as np

from stream_worker.candidate import candidate_id
from stream_worker.neighbours import Arrival, GroupingRules, Sighting, Space

SPACE = Space("TEST", None)
LIVE = Space("CURRENT", None)


def sighting(star_id, ra, dec, t_cut, delta_chi2=500.0, p_review=0.6, p_event=nan):
    candidate = candidate_id("KMTNet", star_id, t_cut)
    return Sighting(candidate, star_id, ra % 360, dec, t_cut, delta_chi2, p_review, p_event)


def offset_by(ra, dec, east_arcsec, north_arcsec):
    """Position so far from another along great circles of the tangent plane; right at the poles too."""
    a, d = np.radians([ra, dec])
    centre = np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    east = np.array([-np.sin(a), np.cos(a), 0])
    north = np.cross(centre, east)
    v = centre + (east * east_arcsec + north * north_arcsec) * np.radians(1 / 3600)
    v /= np.linalg.norm(v)
    return float(np.degrees(np.arctan2(v[1], v[0])) % 360), float(
        np.degrees(np.arctan2(v[2], np.hypot(*v[:2])))
    )


def vectors(sightings):
    ra, dec = np.radians([[s.ra for s in sightings], [s.dec for s in sightings]])
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


@dataclass(frozen=True)
class Truth:
    """``counted`` are the neighbours that are other stars, ``repeats`` those that are second ids of one."""

    strongest: str | None
    counted: frozenset[str]
    repeats: frozenset[str]
    neighbours: frozenset[str]
    latest: Sighting

    @property
    def crowd(self) -> int:
        return len(self.counted - self.repeats)


def reference(sightings, rules: GroupingRules) -> dict[str, Truth]:
    """Verdict of every participating star, by comparing all pairs with another formula."""
    unique = {s.candidate_id: s for s in sightings if s.p_review >= rules.group_at}
    by_star = defaultdict(list)
    for s in unique.values():
        by_star[s.star_id].append(s)
    latest = {star: max(group, key=lambda s: s.t_cut) for star, group in by_star.items()}
    stars = sorted(latest)
    v = vectors([latest[star] for star in stars])
    cross = np.linalg.norm(np.cross(v[:, None], v[None]), axis=2)
    arcsec = np.degrees(np.arctan2(cross, np.einsum("ik,jk->ij", v, v))) * 3600
    found = {}
    for i, star in enumerate(stars):
        me = latest[star]
        near, stronger = {}, []
        for j, other in enumerate(stars):
            if i == j or arcsec[i, j] > rules.radius_arcsec:
                continue
            compared = [s for s in by_star[other] if abs(round(s.t_cut - me.t_cut, 5)) <= rules.memory_days]
            if compared:
                near[other] = j
            stronger += [
                (-s.delta_chi2, other) for s in compared if (-s.delta_chi2, other) < (-me.delta_chi2, star)
            ]
        counted = [o for o, j in near.items() if arcsec[i, j] > rules.same_star_arcsec]
        repeats = {
            max(a, b)
            for a, b in itertools.combinations(counted, 2)
            if arcsec[near[a], near[b]] <= rules.same_star_arcsec
        }
        found[star] = Truth(
            min(stronger)[1] if stronger else None,
            frozenset(counted),
            frozenset(repeats),
            frozenset(near),
            me,
        )
    return found


def arrivals(sightings, cells, partition_of, *, space=SPACE, offsets=None):
    """(partition, arrival) of every sighting and its halo copies; offsets count on within a partition."""
    placed = cells.cells(np.array([s.ra for s in sightings]), np.array([s.dec for s in sightings]))
    next_offset = defaultdict(int) if offsets is None else offsets
    for s, (home, *halo) in zip(sightings, placed, strict=True):
        for cell in (home, *halo):
            partition = partition_of(cell)
            yield (
                partition,
                Arrival(space, cell, cell == home, s, next_offset[partition], body=s.candidate_id.encode()),
            )
            next_offset[partition] += 1


def clusters(rng: np.random.Generator) -> Iterator[list[Sighting]]:
    """Clusters too far apart to meet, without end: events with ghosts, pairs, crowds.

    They lie on a lattice over many sky cells, so that some straddle their edges.
    """
    for n in itertools.count():
        row, column = divmod(n, 80)
        ra, dec = 262 + 0.06 * column / np.cos(np.radians(30)), -33 + 0.06 * row
        yield cluster(rng, f"BLG{n:05d}", ra, dec)


def cluster(rng: np.random.Generator, name: str, ra: float, dec: float) -> list[Sighting]:
    """Sightings of an event and of what shines in its light; a bright one has a crowd around it."""
    bright = rng.random() < 0.3
    others = rng.choice([14, 22, 30]) if bright else rng.choice([0, 1, 3, 6], p=[0.4, 0.2, 0.25, 0.15])
    strength = 8.0 if bright else 6.5
    spread = float(rng.choice([0.3, 7.0, 14.0], p=[0.1, 0.8, 0.1] if bright else [1 / 3] * 3))
    chances = [0.1, 0.2, 0.4, 0.3] if rng.random() < 0.5 else [0.1, 0.3, 0.6, 0.0]
    found = []
    for n in range(others + 1):
        where = offset_by(ra, dec, *rng.normal(0, spread, 2))
        first, count = 9300.75 + int(rng.integers(0, 8)), int(rng.integers(1, 5))
        for day in np.sort(rng.choice(8, count, replace=False)):
            delta_chi2 = float(np.round(rng.lognormal(strength if n == 0 else 5.5, 0.8), 1))
            p_review = float(rng.choice([0.2, 0.5, 0.7, 0.97], p=chances))
            found.append(sighting(f"{name}.{n:02d}", *where, first + float(day), delta_chi2, p_review))
    return found
