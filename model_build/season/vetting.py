"""Automated vetting of the stars flagged in one run (Viaña et al. 2025, sec. 3.3).

Clusters of flagged stars are ghosts of one cause and rejected; what is left is capped per chip and
per field. After the light-curve review the strongest of close neighbours stands for all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Literal

import numpy as np

from model_build.season.neighbours import friends, neighbours_of, pairs_within, positions
from model_build.season.sections import NonNegative, Positive, PositiveInt
from stream_worker.preprocessing.light_curve import IntArray


@dataclass(frozen=True, slots=True)
class VettingConfig:
    """Limits of the vetting.

    Parameters
    ----------
    radius_arcsec
        Stars within this are neighbours.
    same_star_arcsec
        Entries of two fields within this are one star and count once in a crowd.
    crowd
        Whose company counts: "cluster", everybody linked by steps within the radius (the star too), or
        "local", the others within the radius of the star itself.
    crowd_max
        A star in larger company is rejected.
    cap_chip, cap_field
        Stars kept per chip and per field, by star id.
    cap_least
        No scaled cap is smaller: in a small share of the survey chance clusters would meet it, not load.
    cap_total
        Stars kept of the whole survey if ``limit_total``.
    limit_total
        Whether `cap_total` holds.
    neighbour_days
        Only candidates at most this far apart in t_cut are compared.
    memory_days
        A star rejected on a day is old on this many calendar days after it.
    """

    radius_arcsec: Positive
    same_star_arcsec: NonNegative
    crowd: Literal["cluster", "local"]
    crowd_max: PositiveInt
    cap_chip: PositiveInt
    cap_field: PositiveInt
    cap_total: PositiveInt
    cap_least: PositiveInt
    limit_total: bool
    neighbour_days: NonNegative
    memory_days: PositiveInt


class Fate(StrEnum):
    """What vetting does with a flagged star."""

    KEPT = "kept"
    CROWDED = "crowded"
    CHIP_CAP = "chip_cap"
    FIELD_CAP = "field_cap"
    TOTAL_CAP = "total_cap"


@dataclass(frozen=True, slots=True)
class Flagged:
    """A star flagged in a run: where it is (degrees, ICRS; field and chip), and how strongly it rises.

    ``delta_chi2`` is that of its best single site.
    """

    star_id: str
    field: str
    chip: str
    ra: float
    dec: float
    t_cut: float
    delta_chi2: float


def vet(flagged: Sequence[Flagged], config: VettingConfig, *, scale: float = 1.0) -> tuple[Fate, ...]:
    """Return the fate of each star flagged in one run.

    Parameters
    ----------
    flagged
        One entry per star, in any order.
    config
        Limits; the caps are multiplied by ``scale`` (rounded up, `VettingConfig.cap_least` at least).
    scale
        Share of the survey's stars that is simulated, > 0.

    Raises
    ------
    ValueError
        If a star is flagged twice.
    """
    repeated = [star_id for star_id, n in Counter(star.star_id for star in flagged).items() if n > 1]
    if repeated:
        raise ValueError(f"star {min(repeated)} is flagged more than once in a run")
    fates = [Fate.CROWDED if crowded else Fate.KEPT for crowded in _crowded(flagged, config)]
    by_id = sorted(range(len(flagged)), key=lambda i: flagged[i].star_id)
    chips = [(star.field, star.chip) for star in flagged]
    fields = [star.field for star in flagged]
    _cap(fates, by_id, chips, _scaled(config.cap_chip, scale, config), Fate.CHIP_CAP)
    _cap(fates, by_id, fields, _scaled(config.cap_field, scale, config), Fate.FIELD_CAP)
    if config.limit_total:
        _cap(fates, by_id, [None] * len(flagged), _scaled(config.cap_total, scale, config), Fate.TOTAL_CAP)
    return tuple(fates)


def _scaled(cap: int, scale: float, config: VettingConfig) -> int:
    return min(max(ceil(cap * scale), config.cap_least), cap)


def _crowded(flagged: Sequence[Flagged], config: VettingConfig) -> list[bool]:
    """Tell which stars are in too large a company, entries of one star counted once."""
    n = len(flagged)
    where = positions(flagged)
    near = pairs_within(where, config.radius_arcsec)
    field = np.array([one.field for one in flagged])
    same = pairs_within(where, config.same_star_arcsec)
    star = friends(n, same[field[same[:, 0]] != field[same[:, 1]]])
    if config.crowd == "cluster":
        company = _stars_in_group(friends(n, near), star)
        return [count > config.crowd_max for count in company.tolist()]
    return [
        len({star[j] for j in others} - {star[i]}) > config.crowd_max
        for i, others in enumerate(neighbours_of(n, near))
    ]


def _stars_in_group(group: IntArray, star: IntArray) -> IntArray:
    """Return for each entry [n] how many different stars its group has."""
    of_stars = np.unique(np.stack([group, star], axis=1), axis=0)[:, 0]
    return np.bincount(of_stars, minlength=group.size)[group]


def _cap(fates: list[Fate], by_id: Sequence[int], places: Sequence[object], cap: int, beyond: Fate) -> None:
    """Give those kept beyond the first ``cap`` of their place, by star id, the fate ``beyond``."""
    n_kept: Counter[object] = Counter()
    for i in by_id:
        if fates[i] is Fate.KEPT:
            n_kept[places[i]] += 1
            if n_kept[places[i]] > cap:
                fates[i] = beyond


def neighbour_counts(flagged: Sequence[Flagged], config: VettingConfig) -> tuple[int, ...]:
    """Return how many others of one run's flagged entries lie within the radius of each."""
    near = pairs_within(positions(flagged), config.radius_arcsec)
    return tuple(np.bincount(near.ravel(), minlength=len(flagged)).tolist())


def strongest_neighbours(candidates: Sequence[Flagged], config: VettingConfig) -> tuple[int | None, ...]:
    """Return for each candidate the position of its strongest stronger neighbour, None for a primary.

    A neighbour is a candidate of another star within the radius and within ``neighbour_days`` of
    its own t_cut; it is stronger if its delta_chi2 is larger, of equal ones if its star id is lower.
    Only direct neighbours count, so that the result depends on the set of candidates alone.

    Parameters
    ----------
    candidates
        Those that passed the light-curve review, of this run and the days before; a star may
        have several, of different t_cut.
    config
        Radius and days.
    """
    rank = [(-one.delta_chi2, one.star_id, one.t_cut) for one in candidates]
    near = pairs_within(positions(candidates), config.radius_arcsec)
    found: list[int | None] = []
    for i, others in enumerate(neighbours_of(len(candidates), near)):
        me = candidates[i]
        stronger = [
            j
            for j in others
            if candidates[j].star_id != me.star_id
            and abs(candidates[j].t_cut - me.t_cut) <= config.neighbour_days
            and rank[j] < rank[i]
        ]
        found.append(min(stronger, key=lambda j: rank[j], default=None))
    return tuple(found)
