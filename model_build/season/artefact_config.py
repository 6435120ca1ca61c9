"""How many objects a scene holds and what their artefacts are like; the numbers are in season.toml."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from model_build.season.photometry import flux_of_magnitude
from model_build.season.sections import Ascending, Fraction, Limits, NonNegative, Positive, PositiveInt

Range = Annotated[tuple[float, float], Ascending()]
PositiveRange = Annotated[tuple[float, float], Ascending(), Limits(0.0, above_low=True)]
FractionRange = Annotated[tuple[float, float], Ascending(), Limits(0.0, 1.0)]


@dataclass(frozen=True, slots=True)
class RatesConfig:
    """Parents of each kind of artefact in one season of the whole survey (scale 1), before any detection."""

    bleed: NonNegative
    spike: NonNegative
    neighbour: NonNegative
    dipole: NonNegative
    hot_column: NonNegative
    moonlight: NonNegative


@dataclass(frozen=True, slots=True)
class CatalogueConfig:
    """The catalogue of stars: where they stand, who sees them, and which of them matter.

    Parameters
    ----------
    stars_per_deg2
        Catalogued stars.
    latitude_scale_deg, longitude_scale_deg
        Density falls by e over these (Galactic coordinates of the field's centre).
    i_range, i_slope
        dN/dI proportional to 10^(slope I).
    all_sites, two_sites
        Share of stars with data of three and of two sites; the others have one.
    second_entry
        Share of stars in an overlap of fields that appear as two stars, one of each field.
    second_entry_arcsec
        Scatter between the two, per axis; never more than 1 arcsec apart.
    faint_error, bright_error
        Typical quoted error: the first in flux units, the second as share of the flux, in quadrature.
    keep_above
        Stars whose largest artefact, in typical errors, is smaller are left out: none is ever flagged.
    members_max
        Stars kept around one parent: more are rejected as crowded all the same.
    """

    stars_per_deg2: Positive
    latitude_scale_deg: Positive
    longitude_scale_deg: Positive
    i_range: Range
    i_slope: Positive
    all_sites: Fraction
    two_sites: Fraction
    second_entry: Fraction
    second_entry_arcsec: Positive
    faint_error: Positive
    bright_error: NonNegative
    keep_above: NonNegative
    members_max: PositiveInt

    def faults(self) -> list[str]:
        """Name what is impossible between fields."""
        share = self.all_sites + self.two_sites
        return [f"all_sites + two_sites is {share:g}, expected at most 1"] if share > 1.0 else []

    def typical_error(self, i_base: float) -> float:
        """Quoted error of a star of magnitude ``i_base`` in typical conditions, flux units."""
        return math.hypot(self.faint_error, self.bright_error * flux_of_magnitude(i_base))


@dataclass(frozen=True, slots=True)
class ResponseConfig:
    """How differently stars respond to one artefact: ln scatter per star, and per star and site."""

    star_sigma: NonNegative
    site_sigma: NonNegative


@dataclass(frozen=True, slots=True)
class EpisodesConfig:
    """When an artefact is on: at least one spell, ``more`` further ones on average, lengths log-uniform.

    ``rise_d`` is the time scale of the sigmoid that starts and ends it, log-uniform.
    """

    more: NonNegative
    length_d: PositiveRange
    rise_d: PositiveRange


@dataclass(frozen=True, slots=True)
class BleedConfig:
    """Bleed trail of a saturated star: along its column, off and on over days.

    ``leak`` is the share of the star's flux on its column, log-uniform, ``width_px`` the profile across,
    ``length_px`` the e-folding length of a star of magnitude 12, growing as 10^(0.2 (12 - I)).
    The flux goes as (fwhm/median)^-seeing_power (sky/median)^sky_power, with a relative ``scatter`` of
    the frames, of whose variance ``scatter_shared`` is common to the trail.
    """

    i_range: Range
    i_slope: Positive
    leak: PositiveRange
    width_px: Positive
    length_px: Positive
    affected: Fraction
    episodes: EpisodesConfig
    seeing_power: PositiveRange
    sky_power: Range
    scatter: NonNegative
    scatter_shared: Fraction
    others: FractionRange
    misfit: PositiveRange


@dataclass(frozen=True, slots=True)
class SpikeConfig:
    """Diffraction spikes of a bright star: a cross whose angle follows the airmass and jumps at times.

    ``leak`` is the share of the star's flux at ``radius_px``; it falls as r^-``fall`` out to
    ``reach_px``. ``turn_deg`` is the turn per unit of airmass. On average ``jumps`` times a season the
    rotator goes to or comes back from ``jump_deg`` away. ``lean`` raises the flux per unit of airmass
    above 1.2.
    """

    i_range: Range
    i_slope: Positive
    leak: PositiveRange
    radius_px: Positive
    reach_px: Positive
    fall: Positive
    width_px: Positive
    affected: Fraction
    turn_deg: Range
    jumps: NonNegative
    jump_deg: Range
    lean: Range
    others: FractionRange
    misfit: PositiveRange


@dataclass(frozen=True, slots=True)
class NeighbourConfig:
    """Bright pulsating star whose wings and kernel spoil the stars around it.

    ``mira`` is the share of Miras among them, the others are semi-regular. ``share`` is the share of
    its variation at its centre, falling as (1 + (r/``radius_px``)^2)^-1.5 out to ``reach_px``; it goes
    as (fwhm/median)^seeing_power, as does the share ``steady_left`` of its steady light that the kernel
    leaves. A share ``inverted`` of the stars sees it all upside down.
    """

    i_range: Range
    i_slope: Positive
    mira: Fraction
    share: PositiveRange
    radius_px: Positive
    reach_px: Positive
    affected: Fraction
    inverted: Fraction
    steady_left: Fraction
    seeing_power: PositiveRange
    others: FractionRange
    misfit: PositiveRange


@dataclass(frozen=True, slots=True)
class GhostConfig:
    """Ghosts of events: ``share`` of the curve at the event, falling as e^(-r/``radius_px``).

    Stars with less than ``share_least`` of it show none, nor do those beyond ``reach_px``.
    """

    share: Annotated[tuple[float, float], Ascending(), Limits(0.0, 1.0, above_low=True)]
    share_least: Fraction
    radius_px: Positive
    reach_px: Positive
    affected: Fraction


@dataclass(frozen=True, slots=True)
class DipoleConfig:
    """A star that moves off its image: ``amplitude`` typical errors at the season's end.

    The flux goes as (fwhm/median)^-seeing_power.
    """

    amplitude: PositiveRange
    seeing_power: PositiveRange
    others: FractionRange
    misfit: PositiveRange


@dataclass(frozen=True, slots=True)
class HotColumnConfig:
    """A column of the detector, and its readout mirror, that steps at one site.

    ``amplitude`` faint-star errors on the column, ``mirrored`` the share seen in the mirror column of
    the amplifier ``amplifier_px`` wide; ``members`` stars on average.
    """

    amplitude: PositiveRange
    width_px: Positive
    amplifier_px: Positive
    mirrored: Fraction
    members: NonNegative
    episodes: EpisodesConfig
    misfit: PositiveRange


@dataclass(frozen=True, slots=True)
class MoonlightConfig:
    """Moonlight scattered on a chip: ``amplitude`` faint-star errors per median sky level above the median.

    It falls by e over ``radius_px`` from its brightest place; ``members`` stars on average.
    """

    amplitude: PositiveRange
    radius_px: Positive
    members: NonNegative
    others: FractionRange


@dataclass(frozen=True, slots=True)
class ArtefactConfig:
    """What a season's scene holds, and what each kind of artefact is like.

    ``events`` and ``quiet_stars`` are, as the ``rates``, those of one season of the whole survey before
    any detection; isolated variable stars are the ``variable_share`` of `VariablesConfig.stars`.
    ``misfit_max`` limits the rise of the PSF chi-square: worse fits are not photometered.
    """

    events: NonNegative
    quiet_stars: NonNegative
    variable_share: Fraction
    misfit_max: Positive
    rates: RatesConfig
    catalogue: CatalogueConfig
    response: ResponseConfig
    bleed: BleedConfig
    spike: SpikeConfig
    neighbour: NeighbourConfig
    ghost: GhostConfig
    dipole: DipoleConfig
    hot_column: HotColumnConfig
    moonlight: MoonlightConfig
