"""What the telescope does to stars: each kind of artefact in time, and the signal of a star in a dataset.

Kinds after Viaña et al. 2025, sec. 3.5: bleed trails, diffraction spikes and bright variable neighbours;
further ghosts of events, moving stars (dipoles), hot columns and scattered moonlight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_build.season import coupling
from model_build.season.epochs import EpochTable
from model_build.season.events import EventParameters, delta_flux
from model_build.season.generators import generator
from model_build.season.photometry import flux_of_magnitude
from model_build.season.stars import Parent, Scene, Signal, Star
from model_build.season.variables import Variable, relative_flux
from stream_worker.preprocessing import SITES
from stream_worker.preprocessing.light_curve import Float64Array

_TYPICAL_AIRMASS = 1.2


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which an artefact is on: HJD - 2450000, with the time scale of its sigmoid edges."""

    start: float
    end: float
    rise: float

    def level(self, hjd: Float64Array) -> Float64Array:
        """Return how far it is on at ``hjd``, 0 to 1, [n]."""
        return _sigmoid((hjd - self.start) / self.rise) * _sigmoid((self.end - hjd) / self.rise)


@dataclass(frozen=True, slots=True)
class Bleed:
    """Trail of a saturated star along its column: stronger in good seeing and under a bright sky.

    ``frame_scatter`` is the relative scatter from frame to frame that all stars of the trail share, drawn
    from ``frame_seed``; ``scatter`` that of each star.
    """

    strength: float
    misfit: float
    width: float
    length: float
    spells: tuple[Spell, ...]
    seeing_power: float
    sky_power: float
    scatter: float
    frame_scatter: float
    frame_seed: int

    @property
    def reach(self) -> tuple[float, float]:
        """Half-sizes of the box it acts in, px."""
        return 3.0 * self.width, 6.0 * self.length

    def couple(self, dx: Float64Array, dy: Float64Array) -> Float64Array:
        """Fall off across the column and along it."""
        return coupling.along_column(dx, dy, width=self.width, length=self.length)

    def flux(self, dx: Float64Array, dy: Float64Array, epochs: EpochTable) -> Float64Array:
        """Turn on slowly and scatter from frame to frame."""
        frames = generator(self.frame_seed, epochs.site, epochs.field).normal(size=epochs.hjd.size)
        conditions = _ratio(epochs.fwhm) ** -self.seeing_power * _ratio(epochs.sky) ** self.sky_power
        level = _level(self.spells, epochs.hjd) * conditions * (1.0 + self.frame_scatter * frames)
        return self.strength * self.couple(dx, dy) * level


@dataclass(frozen=True, slots=True)
class Spike:
    """Four spikes of a bright star, turning with the airmass and with the camera's rotator.

    The cross stands at ``angle`` (degrees from the rows), from every second of ``jumps`` (HJD - 2450000)
    to the next at ``angle + jump``; ``turn`` degrees are added per unit of airmass.
    """

    strength: float
    misfit: float
    radius: float
    reach_px: float
    fall: float
    width: float
    angle: float
    turn: float
    jumps: tuple[float, ...]
    jump: float
    lean: float
    scatter: float = 0.0

    @property
    def reach(self) -> tuple[float, float]:
        """Half-sizes of the box it acts in, px."""
        return self.reach_px, self.reach_px

    def couple(self, dx: Float64Array, dy: Float64Array) -> Float64Array:
        """Share at the best of all angles the spikes come by between airmass 1 and 2."""
        swept = self.turn * (np.linspace(1.0, 2.0, 11) - _TYPICAL_AIRMASS)
        angles = np.concatenate([self.angle + swept, self.angle + self.jump + swept])
        return np.asarray(np.max([self._share(dx, dy, angle) for angle in angles], axis=0))

    def flux(self, dx: Float64Array, dy: Float64Array, epochs: EpochTable) -> Float64Array:
        """Sweep over the star as the airmass changes, and step on and off it with the rotator."""
        away = np.searchsorted(np.asarray(self.jumps), epochs.hjd) % 2
        high = epochs.airmass - _TYPICAL_AIRMASS
        share = self._share(dx, dy, self.angle + self.jump * away + self.turn * high)
        return self.strength * share * np.maximum(1.0 + self.lean * high, 0.0)

    def _share(self, dx: Float64Array, dy: Float64Array, angle: Float64Array) -> Float64Array:
        return coupling.on_spike(
            dx, dy, angle, radius=self.radius, reach=self.reach_px, fall=self.fall, width=self.width
        )


@dataclass(frozen=True, slots=True)
class BrightVariable:
    """Bright variable star whose wings, and the kernel they spoil, carry its curve to its neighbours.

    ``flux_share`` is the flux of the star times the share of its changes seen at its centre,
    ``steady_left`` how much of its steady light is left, compared with its changes.
    """

    strength: float
    misfit: float
    variable: Variable
    flux_share: float
    steady_left: float
    radius: float
    reach_px: float
    seeing_power: float
    scatter: float = 0.0

    @property
    def reach(self) -> tuple[float, float]:
        """Half-sizes of the box it acts in, px."""
        return self.reach_px, self.reach_px

    def couple(self, dx: Float64Array, dy: Float64Array) -> Float64Array:
        """Fall off as the wing of the point-spread function."""
        return coupling.kernel_wing(dx, dy, radius=self.radius, reach=self.reach_px)

    def flux(self, dx: Float64Array, dy: Float64Array, epochs: EpochTable) -> Float64Array:
        """Follow the variable and, in what the kernel leaves of its steady light, the seeing."""
        wing = _ratio(epochs.fwhm) ** self.seeing_power
        change = wing * relative_flux(self.variable, epochs.hjd) + self.steady_left * (wing - 1.0)
        return self.flux_share * self.couple(dx, dy) * change


@dataclass(frozen=True, slots=True)
class EventSource:
    """Microlensing event whose curve shows, scaled, in its neighbours (Wyrzykowski et al. 2015)."""

    strength: float
    event: EventParameters
    flux_share: float  # baseline flux times the share of it at the event
    ra: float
    dec: float
    radius: float
    reach_px: float
    least: float  # share of the curve under which a star shows none, in units of the share at the event
    misfit: float = 0.0
    scatter: float = 0.0

    @property
    def reach(self) -> tuple[float, float]:
        """Half-sizes of the box it acts in, px."""
        return self.reach_px, self.reach_px

    def couple(self, dx: Float64Array, dy: Float64Array) -> Float64Array:
        """Fall off exponentially with distance."""
        share = coupling.fading(dx, dy, radius=self.radius, reach=self.reach_px)
        return np.where(share >= self.least, share, 0.0)

    def flux(self, dx: Float64Array, dy: Float64Array, epochs: EpochTable) -> Float64Array:
        """Follow the event."""
        return self.couple(dx, dy) * delta_flux(self.event, self.flux_share, epochs.hjd, self.ra, self.dec)


@dataclass(frozen=True, slots=True)
class Dipole:
    """Star that moves off its place in the reference image: linear in time, stronger in good seeing."""

    strength: float
    misfit: float
    first: float  # HJD - 2450000 of the season's first and last observation
    last: float
    seeing_power: float
    scatter: float = 0.0
    reach: tuple[float, float] = (0.0, 0.0)

    def couple(self, dx: Float64Array, dy: Float64Array) -> Float64Array:
        """Nobody but the star itself."""
        return np.where((dx == 0.0) & (dy == 0.0), 1.0, 0.0)

    def flux(self, dx: Float64Array, dy: Float64Array, epochs: EpochTable) -> Float64Array:
        """Drift through the season."""
        drift = np.clip((epochs.hjd - self.first) / (self.last - self.first), 0.0, None)
        return self.strength * self.couple(dx, dy) * drift * _ratio(epochs.fwhm) ** -self.seeing_power


@dataclass(frozen=True, slots=True)
class HotColumn:
    """Column of the detector, and its image in the readout mirror ``mirror`` px off, that steps."""

    strength: float
    misfit: float
    width: float
    mirror: float
    mirrored: float
    spells: tuple[Spell, ...]
    scatter: float = 0.0

    @property
    def reach(self) -> tuple[float, float]:
        """Half-sizes of the box it acts in, px: the whole column."""
        return 3.0 * self.width, np.inf

    def couple(self, dx: Float64Array, dy: Float64Array) -> Float64Array:
        """Act at any distance along the column, and weaker on the mirror column."""
        here, there = (
            coupling.along_column(dx - off, dy, width=self.width, length=np.inf) for off in (0.0, self.mirror)
        )
        return np.maximum(here, self.mirrored * there)

    def flux(self, dx: Float64Array, dy: Float64Array, epochs: EpochTable) -> Float64Array:
        """Step up and down."""
        return self.strength * self.couple(dx, dy) * _level(self.spells, epochs.hjd)


@dataclass(frozen=True, slots=True)
class Moonlight:
    """Moonlight scattered onto a chip: proportional to the sky above its median."""

    strength: float
    radius: float
    misfit: float = 0.0
    scatter: float = 0.0
    reach: tuple[float, float] = (np.inf, np.inf)

    def couple(self, dx: Float64Array, dy: Float64Array) -> Float64Array:
        """Fall off slowly over the chip."""
        return coupling.fading(dx, dy, radius=self.radius, reach=np.inf)

    def flux(self, dx: Float64Array, dy: Float64Array, epochs: EpochTable) -> Float64Array:
        """Follow the sky level."""
        return self.strength * self.couple(dx, dy) * (_ratio(epochs.sky) - 1.0)


def signal(star: Star, scene: Scene, epochs: EpochTable) -> Signal:
    """Return what ``star`` does in the dataset of ``epochs``: its own changes, or what it inherits.

    Parameters
    ----------
    star, scene
        As `scene.build_scene` made them.
    epochs
        All epochs of the season at one site and field: conditions are compared with their medians.
    """
    zero = np.zeros(epochs.hjd.size)
    baseline = flux_of_magnitude(star.i_base)
    if star.event is not None:
        return Signal(delta_flux(star.event, baseline, epochs.hjd, star.ra, star.dec), zero)
    if star.variable is not None:
        return Signal(baseline * relative_flux(star.variable, epochs.hjd), zero)
    if star.parent is None:
        return Signal(zero, zero)
    return _inherited(star, scene.parents[star.parent], scene, epochs)


def _inherited(star: Star, parent: Parent, scene: Scene, epochs: EpochTable) -> Signal:
    zero = np.zeros(epochs.hjd.size)
    site = SITES.index(epochs.site)
    factor = parent.site_factors[site] * star.response[site]
    if factor == 0.0 or (parent.on_detector and epochs.field != star.field):
        return Signal(zero, zero)
    dx, dy = np.asarray(star.offset)
    flux = factor * parent.cause.flux(dx, dy, epochs)
    if parent.cause.scatter > 0.0:
        rng = generator(scene.seed, "signal", scene.season, star.number, epochs.site, epochs.field)
        flux = flux * (1.0 + parent.cause.scatter * rng.normal(size=flux.size))
    misfit = parent.cause.misfit * np.abs(flux) / star.typical_error
    return Signal(flux, np.minimum(misfit, scene.misfit_max))


def _level(spells: tuple[Spell, ...], hjd: Float64Array) -> Float64Array:
    return np.asarray(np.max([spell.level(hjd) for spell in spells], axis=0))


def _ratio(values: Float64Array) -> Float64Array:
    """Values over their median."""
    return values / np.median(values) if values.size else values


def _sigmoid(x: Float64Array) -> Float64Array:
    return 0.5 * (1.0 + np.tanh(0.5 * x))
