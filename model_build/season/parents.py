"""Draw the objects behind artefacts: how strong each is, when it acts, and at which sites."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from model_build.season.artefact_config import ArtefactConfig, EpisodesConfig
from model_build.season.artefacts import (
    Bleed,
    BrightVariable,
    Dipole,
    EventSource,
    HotColumn,
    Moonlight,
    Spell,
    Spike,
)
from model_build.season.events import EventParameters, delta_flux
from model_build.season.photometry import flux_of_magnitude
from model_build.season.stars import Cause
from model_build.season.variables import Outbursts, Variable, VariablesConfig, draw_variable, relative_flux
from stream_worker.preprocessing import SITES
from stream_worker.preprocessing.light_curve import Float64Array

Window = tuple[float, float]  # first and last HJD - 2450000 of the season

_GRID = 200  # times at which a curve is probed for its largest change
_BLEED_MAGNITUDE = 12.0  # whose trail has the configured length


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a parent does, its magnitude (NaN if it isn't a star) and its strength at each site."""

    cause: Cause
    i_mag: float
    site_factors: tuple[float, float, float]


def draw_bleed(config: ArtefactConfig, window: Window, rng: np.random.Generator) -> Drawn:
    """Draw a saturated star with its trail."""
    kind = config.bleed
    i_mag = float(draw_magnitudes(kind.i_range, kind.i_slope, 1, rng)[0])
    cause = Bleed(
        strength=flux_of_magnitude(i_mag) * _log_uniform(kind.leak, rng),
        misfit=_log_uniform(kind.misfit, rng),
        width=kind.width_px,
        length=kind.length_px * 10.0 ** (0.2 * (_BLEED_MAGNITUDE - i_mag)),
        spells=_draw_spells(kind.episodes, window, rng),
        seeing_power=float(rng.uniform(*kind.seeing_power)),
        sky_power=float(rng.uniform(*kind.sky_power)),
        scatter=kind.scatter * math.sqrt(1.0 - kind.scatter_shared),
        frame_scatter=kind.scatter * math.sqrt(kind.scatter_shared),
        frame_seed=int(rng.integers(2**31)),
    )
    return Drawn(cause, i_mag, _draw_site_factors(kind.others, rng))


def draw_spike(config: ArtefactConfig, window: Window, rng: np.random.Generator) -> Drawn:
    """Draw a bright star with its spikes."""
    kind = config.spike
    i_mag = float(draw_magnitudes(kind.i_range, kind.i_slope, 1, rng)[0])
    cause = Spike(
        strength=flux_of_magnitude(i_mag) * _log_uniform(kind.leak, rng),
        misfit=_log_uniform(kind.misfit, rng),
        radius=kind.radius_px,
        reach_px=kind.reach_px,
        fall=kind.fall,
        width=kind.width_px,
        angle=float(rng.uniform(0.0, 90.0)),
        turn=float(rng.uniform(*kind.turn_deg)) * float(rng.choice((-1.0, 1.0))),
        jumps=tuple(np.sort(rng.uniform(*window, rng.poisson(kind.jumps))).tolist()),
        jump=float(rng.uniform(*kind.jump_deg)) * float(rng.choice((-1.0, 1.0))),
        lean=float(rng.uniform(*kind.lean)),
    )
    return Drawn(cause, i_mag, _draw_site_factors(kind.others, rng))


def draw_bright_variable(
    config: ArtefactConfig, variables: VariablesConfig, window: Window, rng: np.random.Generator
) -> Drawn:
    """Draw a bright pulsating star that corrupts its neighbours."""
    kind = config.neighbour
    i_mag = float(draw_magnitudes(kind.i_range, kind.i_slope, 1, rng)[0])
    variable = draw_variable(variables, window, rng, "mira" if rng.random() < kind.mira else "sr")
    flux_share = flux_of_magnitude(i_mag) * _log_uniform(kind.share, rng)
    cause = BrightVariable(
        strength=flux_share * largest_change(variable, window),
        misfit=_log_uniform(kind.misfit, rng),
        variable=variable,
        flux_share=flux_share,
        steady_left=kind.steady_left,
        radius=kind.radius_px,
        reach_px=kind.reach_px,
        seeing_power=float(rng.uniform(*kind.seeing_power)),
    )
    return Drawn(cause, i_mag, _draw_site_factors(kind.others, rng))


def draw_ghosting(
    config: ArtefactConfig,
    event: EventParameters,
    i_base: float,
    position: tuple[float, float],
    window: Window,
    rng: np.random.Generator,
) -> Drawn:
    """Draw how an event at ``position`` (RA, Dec in degrees) shows in its neighbours, at all sites alike."""
    kind = config.ghost
    share = _log_uniform(kind.share, rng)
    flux_share = share * flux_of_magnitude(i_base)
    single = replace(event, q=0.0)  # what caustics add is brief, and counts too little to be worth its time
    times = np.append(np.linspace(*window, _GRID), np.clip(event.t_0, *window))
    cause = EventSource(
        strength=float(np.max(np.abs(delta_flux(single, flux_share, times, *position)))),
        event=event,
        flux_share=flux_share,
        ra=position[0],
        dec=position[1],
        radius=kind.radius_px,
        reach_px=kind.reach_px,
        least=kind.share_least / share,
    )
    return Drawn(cause, i_base, (1.0, 1.0, 1.0))


def draw_dipole(
    config: ArtefactConfig, typical_error: float, window: Window, rng: np.random.Generator
) -> Drawn:
    """Draw a moving star."""
    kind = config.dipole
    cause = Dipole(
        strength=typical_error * _log_uniform(kind.amplitude, rng),
        misfit=_log_uniform(kind.misfit, rng),
        first=window[0],
        last=window[1],
        seeing_power=float(rng.uniform(*kind.seeing_power)),
    )
    return Drawn(cause, np.nan, _draw_site_factors(kind.others, rng))


def draw_hot_column(config: ArtefactConfig, x: float, window: Window, rng: np.random.Generator) -> Drawn:
    """Draw a column at ``x`` px that steps at one site."""
    kind = config.hot_column
    cause = HotColumn(
        strength=config.catalogue.faint_error * _log_uniform(kind.amplitude, rng),
        misfit=_log_uniform(kind.misfit, rng),
        width=kind.width_px,
        mirror=mirror_offset(config, x),
        mirrored=kind.mirrored,
        spells=_draw_spells(kind.episodes, window, rng),
    )
    return Drawn(cause, np.nan, _draw_site_factors((0.0, 0.0), rng))


def mirror_offset(config: ArtefactConfig, x: float) -> float:
    """Px from column ``x`` to its image in the readout mirror, on the same amplifier."""
    amplifier = config.hot_column.amplifier_px
    return 2.0 * amplifier * (x // amplifier) + amplifier - 2.0 * x


def draw_moonlight(config: ArtefactConfig, rng: np.random.Generator) -> Drawn:
    """Draw moonlight on a chip."""
    kind = config.moonlight
    cause = Moonlight(config.catalogue.faint_error * _log_uniform(kind.amplitude, rng), kind.radius_px)
    return Drawn(cause, np.nan, _draw_site_factors(kind.others, rng))


def largest_change(variable: Variable, window: Window) -> float:
    """Return the largest departure of a variable from its median in a season, in its baseline flux."""
    peaks = variable.peaks if isinstance(variable, Outbursts) else ()
    flux = relative_flux(variable, np.append(np.linspace(*window, _GRID), peaks))
    return float(np.max(np.abs(flux - np.median(flux))))


def draw_magnitudes(
    i_range: tuple[float, float], slope: float, n: int, rng: np.random.Generator
) -> Float64Array:
    """Draw [n] magnitudes from dN/dI proportional to 10^(slope I) within the range."""
    low, high = (10.0 ** (slope * i) for i in i_range)
    return np.log10(rng.uniform(low, high, n)) / slope


def _draw_spells(config: EpisodesConfig, window: Window, rng: np.random.Generator) -> tuple[Spell, ...]:
    starts = rng.uniform(*window, 1 + rng.poisson(config.more))
    return tuple(
        Spell(
            float(start), float(start) + _log_uniform(config.length_d, rng), _log_uniform(config.rise_d, rng)
        )
        for start in starts
    )


def _draw_site_factors(others: tuple[float, float], rng: np.random.Generator) -> tuple[float, float, float]:
    """One site sees it in full, the others by a factor drawn from ``others``."""
    factors = rng.uniform(*others, len(SITES))
    factors[rng.integers(len(SITES))] = 1.0
    return (float(factors[0]), float(factors[1]), float(factors[2]))


def _log_uniform(between: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(between))))
