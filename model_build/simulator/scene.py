"""One star in one run: where it is, who observed it, and the noise of its photometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from model_build.simulator.config import CADENCE_WEIGHT, FIELDS, SITE_CONDITIONS, SimulatorConfig
from model_build.simulator.photometry import excess_shares, noise_in_sigma
from model_build.simulator.schedule import Epochs, ScheduleKey
from stream_worker.preprocessing import AUXILIARIES, SITES
from stream_worker.preprocessing.light_curve import Float64Array

_HALF_FIELD_DEG = 1.0  # fields are 2 x 2 degrees
_HALF_CHIP_DEG = 0.5
_GAP_DEG = 0.05
_PIXELS_PER_DEG = 9000.0  # 0.40 arcsec


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a candidate is: drawn before anything that depends on its class.

    ``ra``, ``dec`` degrees; ``field`` the field drawn; ``chip`` K, M, T or N with ``x``, ``y`` pixels
    on it; ``t_cut`` HJD - 2450000; ``sites`` those with data; ``group`` is shared by close neighbours.
    """

    field: str
    ra: float
    dec: float
    chip: str
    x: float
    y: float
    t_cut: float
    sites: tuple[str, ...]
    group: int


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Epochs of one dataset with what belongs to the star: noise, reference offset, columns it has.

    ``noise`` is in units of the quoted error, float64 [n]; ``fwhm_ratio`` and ``sky_ratio`` are the
    conditions over their medians at the site.
    """

    epochs: Epochs
    noise: Float64Array
    fwhm_ratio: Float64Array
    sky_ratio: Float64Array
    reference: float  # in median errors
    reference_share: float  # of the largest signal that the reference image contains
    missing: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A place with its datasets; ``cadence`` is the largest of its fields, exposures per hour."""

    place: Place
    datasets: tuple[Dataset, ...]
    cadence: float


def draw_places(
    n: int, run_dates: Float64Array, config: SimulatorConfig, rng: np.random.Generator
) -> list[Place]:
    """Draw ``n`` places; some stand within arcseconds of the one before, on the same date."""
    names = list(FIELDS)
    weights = np.array([_field_weight(name) for name in names])
    places: list[Place] = []
    for number in range(n):
        if places and rng.random() < config.neighbour_fraction:
            places.append(_beside(places[-1], config, rng))
            continue
        name = names[rng.choice(len(names), p=weights / weights.sum())]
        chip_x, chip_y = rng.uniform(_GAP_DEG / 2, 2 * _HALF_CHIP_DEG, 2) * rng.choice((-1.0, 1.0), 2)
        centre = FIELDS[name]
        dec = centre.dec + chip_y
        places.append(
            Place(
                field=name,
                ra=centre.ra + chip_x / float(np.cos(np.radians(dec))),
                dec=dec,
                chip=_chip(chip_x, chip_y),
                x=abs(chip_x) * _PIXELS_PER_DEG,
                y=abs(chip_y) * _PIXELS_PER_DEG,
                t_cut=float(rng.choice(run_dates)),
                sites=_draw_sites(config, rng),
                group=number,
            )
        )
    return places


def _field_weight(name: str) -> float:
    return CADENCE_WEIGHT[FIELDS[name].cadence]


def _chip(dx: float, dy: float) -> str:
    """Quadrant to chip (the assignment is ours)."""
    return {(True, True): "K", (False, True): "M", (True, False): "T", (False, False): "N"}[dx > 0, dy > 0]


def _beside(place: Place, config: SimulatorConfig, rng: np.random.Generator) -> Place:
    separation = rng.uniform(*config.neighbour_arcsec) / 3600.0
    angle = rng.uniform(0.0, 2 * np.pi)
    dx, dy = separation * np.cos(angle), separation * np.sin(angle)
    return replace(
        place,
        ra=place.ra + dx / float(np.cos(np.radians(place.dec))),
        dec=place.dec + dy,
        x=place.x + dx * _PIXELS_PER_DEG,
        y=place.y + dy * _PIXELS_PER_DEG,
    )


def _draw_sites(config: SimulatorConfig, rng: np.random.Generator) -> tuple[str, ...]:
    n_sites = 3 - int(rng.choice(3, p=config.site_presence))
    kept = rng.permutation(len(SITES))[:n_sites]
    return tuple(site for index, site in enumerate(SITES) if index in kept)


def fields_at(place: Place) -> tuple[str, ...]:
    """Return every field whose footprint holds the place, the drawn one among them."""

    def inside(name: str) -> bool:
        centre = FIELDS[name]
        dx = (place.ra - centre.ra) * float(np.cos(np.radians(place.dec)))
        return max(abs(dx), abs(place.dec - centre.dec)) <= _HALF_FIELD_DEG

    return tuple(name for name in FIELDS if name == place.field or inside(name))


def make_scene(
    place: Place, schedules: Mapping[ScheduleKey, Epochs], config: SimulatorConfig, rng: np.random.Generator
) -> Scene:
    """Draw what the photometry of a star at ``place`` looks like while nothing happens."""
    names = fields_at(place)
    missing_everywhere = _draw_missing(config, rng)
    datasets = []
    for site in place.sites:
        ratio, shares = rng.uniform(*config.scatter_ratio), excess_shares(rng)
        for name in names:
            epochs = schedules[ScheduleKey(site, name)].until(place.t_cut)
            dropped = {column for column in AUXILIARIES if rng.random() < config.drop_auxiliary}
            datasets.append(
                Dataset(
                    epochs=epochs,
                    noise=noise_in_sigma(epochs, ratio, shares, config, rng),
                    fwhm_ratio=epochs.fwhm / SITE_CONDITIONS[site].fwhm,
                    sky_ratio=epochs.sky_background / SITE_CONDITIONS[site].dark_sky,
                    reference=rng.normal(0.0, config.reference_sigma),
                    reference_share=_draw_reference_share(config, rng),
                    missing=frozenset(missing_everywhere | dropped),
                )
            )
    return Scene(place, tuple(datasets), max(FIELDS[name].cadence for name in names))


def _draw_missing(config: SimulatorConfig, rng: np.random.Generator) -> set[str]:
    chance = rng.random()
    if chance < config.no_auxiliaries:
        return set(AUXILIARIES)
    return {"psf_quality"} if chance < config.no_auxiliaries + config.no_psf_quality else set()


def _draw_reference_share(config: SimulatorConfig, rng: np.random.Generator) -> float:
    return float(rng.uniform(0.0, 0.5)) if rng.random() < config.reference_contains_signal else 0.0
