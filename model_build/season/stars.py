"""The values of a scene: catalogue stars, the objects behind their artefacts, and what a dataset sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from model_build.season.epochs import EpochTable
from model_build.season.events import EventParameters
from model_build.season.variables import Variable
from stream_worker.preprocessing.light_curve import Float64Array


class Cause(Protocol):
    """What a parent does to the flux of the stars around it."""

    @property
    def strength(self) -> float:
        """Largest difference flux it causes in typical conditions."""

    @property
    def misfit(self) -> float:
        """Rise of the PSF chi-square for a flux of one typical error."""

    @property
    def scatter(self) -> float:
        """Relative scatter of the flux from frame to frame, each star's own."""

    @property
    def reach(self) -> tuple[float, float]:
        """Half-sizes of the box it acts in, px along x and y."""

    def couple(self, dx: Float64Array, dy: Float64Array) -> Float64Array:
        """Return the largest share of ``strength`` that stars ``dx``, ``dy`` px off can get."""

    def flux(self, dx: Float64Array, dy: Float64Array, epochs: EpochTable) -> Float64Array:
        """Return the difference flux [n] of a star ``dx``, ``dy`` px (scalars) off at a site of factor 1."""


@dataclass(frozen=True, slots=True)
class Parent:
    """An object on the chip whose artefacts candidates inherit.

    Parameters
    ----------
    parent_id, kind
        Unique in the scene; ``kind`` as `Star.kind` of its stars (of an event: "event").
    field, chip, x, y, ra, dec
        Where it is: px on the chip, degrees. ``field`` is empty and ``ra``, ``dec`` are NaN for a
        defect of the detector, which every field imaged on that chip shares.
    i_mag
        I magnitude; NaN where it isn't a star.
    site_factors
        Strength at CTIO, SAAO, SSO: the worst site 1.
    on_detector
        True if it belongs to the chip, not to the sky: other fields image a star elsewhere, without it.
    cause
        What it does.
    """

    parent_id: str
    kind: str
    field: str
    chip: str
    x: float
    y: float
    ra: float
    dec: float
    i_mag: float
    site_factors: tuple[float, float, float]
    on_detector: bool
    cause: Cause


@dataclass(frozen=True, slots=True)
class Star:
    """A catalogue star that AlertFinder looks at, with its hidden truth.

    Parameters
    ----------
    number
        Unique in the scene: the key of the star's random numbers.
    star_id
        As BLG11M0308.009408: catalogue (BLG at CTIO, SAO, SSO), field, chip, cell, number.
    field, chip, x, y
        Where the catalogue has it: px on the chip.
    ra, dec
        Degrees, ICRS.
    i_base, typical_error
        I magnitude at baseline, blend included, and its quoted error in typical conditions, flux units.
    kind
        What happens to it: event, ghost, bleed, spike, neighbour, dipole, hot_column, moonlight, a kind
        of variable, or quiet.
    parent
        The object behind it: the source of an artefact, the star itself for an event or a variable.
    offset
        Px from the parent along x and y.
    response
        What the star makes of the parent's signal at CTIO, SAAO, SSO: about 1, negative if inverted.
    event, variable
        The star's own brightness changes.
    datasets
        (site, field) of each light curve, sites in order.
    source
        ``number`` of the star it is another catalogue entry of (in an overlap of fields), or its own.
    """

    number: int
    star_id: str
    field: str
    chip: str
    x: float
    y: float
    ra: float
    dec: float
    i_base: float
    typical_error: float
    kind: str
    parent: str | None
    offset: tuple[float, float]
    response: tuple[float, float, float]
    event: EventParameters | None
    variable: Variable | None
    datasets: tuple[tuple[str, str], ...]
    source: int


@dataclass(frozen=True, slots=True)
class Scene:
    """All stars worth a look in one season, by number, and the parents by their id.

    ``misfit_max`` limits the misfit: worse fits are never photometered.
    """

    season: int
    seed: int
    misfit_max: float
    stars: tuple[Star, ...]
    parents: Mapping[str, Parent]


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """What a star does in one dataset.

    ``delta_flux`` float64 [n]: true flux minus baseline, flux units of zero point 28. ``misfit``
    float64 [n], >= 0: by how much the reduced PSF chi-square exceeds 1 on its account.
    """

    delta_flux: Float64Array
    misfit: Float64Array
