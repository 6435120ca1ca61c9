"""Where stars stand and which catalogue entries they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model_build.season.artefact_config import CatalogueConfig
from model_build.season.events import EventParameters, galactic_longitude
from model_build.season.footprint import (
    CHIP_PX,
    CHIPS,
    PX_PER_ARCSEC,
    SITE_PREFIX,
    Centre,
    Pixel,
    fields_at,
    galactic_latitude,
    on_chip,
    star_id,
    to_pixel,
    to_sky,
)
from model_build.season.stars import Star
from model_build.season.variables import Variable
from stream_worker.preprocessing import SITES

_NUMBERS_PER_CELL = 80_000
_LARGEST_SHIFT_ARCSEC = 0.7  # per axis, so that two entries of a star are less than 1 arcsec apart


@dataclass(frozen=True, slots=True)
class Place:
    """A place on a chip of a field, and on the sky (degrees)."""

    field: str
    pixel: Pixel
    ra: float
    dec: float


@dataclass(frozen=True, slots=True)
class Nature:
    """What happens to a star, whatever its catalogue entries: see `Star` for the fields."""

    kind: str
    i_base: float
    parent: str | None = None
    offset: tuple[float, float] = (0.0, 0.0)
    response: tuple[float, float, float] = (1.0, 1.0, 1.0)
    event: EventParameters | None = None
    variable: Variable | None = None


class Sky:
    """The fields, with the density of catalogued stars in each.

    Parameters
    ----------
    fields
        Centres by name.
    config
        Of the catalogue.
    """

    def __init__(self, fields: Mapping[str, Centre], config: CatalogueConfig) -> None:
        self._fields = fields
        self._names = tuple(fields)
        falls = np.array([_fall(centre, config) for centre in fields.values()])
        weights = falls / falls.sum()
        self._steps = np.cumsum(weights)
        densities = config.stars_per_deg2 * weights * len(fields)
        self._density = dict(zip(self._names, densities.tolist(), strict=True))

    def density(self, field: str) -> float:
        """Catalogued stars per square degree in ``field``."""
        return float(self._density[field])

    def draw(self, rng: np.random.Generator) -> Place:
        """Draw a place by the density of stars; overlaps of fields count once."""
        while True:
            field = self.draw_field(rng)
            x, y = rng.uniform(0.0, CHIP_PX, 2).tolist()
            place = self.at(field, Pixel(CHIPS[rng.integers(len(CHIPS))], x, y))
            if rng.random() * len(self.fields_at(place)) < 1.0:
                return place

    def draw_field(self, rng: np.random.Generator) -> str:
        """Draw a field by its density of stars."""
        return self._names[min(int(np.searchsorted(self._steps, rng.random())), len(self._names) - 1)]

    def at(self, field: str, pixel: Pixel) -> Place:
        """Return the place of a pixel."""
        return Place(field, pixel, *to_sky(self._fields[field], pixel))

    def beside(self, place: Place, dx: float, dy: float) -> Place | None:
        """Return the place ``dx``, ``dy`` px off on the same chip, None if that is off the chip."""
        x, y = place.pixel.x + dx, place.pixel.y + dy
        return self.at(place.field, Pixel(place.pixel.chip, x, y)) if on_chip(x, y) else None

    def fields_at(self, place: Place) -> dict[str, Pixel]:
        """Return every field that images the place, the place's own always among them."""
        found = fields_at(self._fields, place.ra, place.dec)
        return found if place.field in found else {**found, place.field: place.pixel}

    def pixel(self, field: str, ra: float, dec: float) -> Pixel | None:
        """Return where ``field`` images a position (degrees), None if it doesn't."""
        return to_pixel(self._fields[field], ra, dec)


class Catalogue:
    """Collects the stars of a scene; no two share an identifier.

    Parameters
    ----------
    sky
        The fields.
    config
        Of the catalogue.
    """

    def __init__(self, sky: Sky, config: CatalogueConfig) -> None:
        self._sky = sky
        self._config = config
        self._ids: set[str] = set()
        self.stars: list[Star] = []

    def add(self, place: Place, nature: Nature, rng: np.random.Generator) -> None:
        """Add a star as one entry, or, in an overlap of fields, sometimes as two."""
        sites = self._draw_sites(rng)
        fields = sorted(self._sky.fields_at(place))
        others = [name for name in fields if name != place.field]
        twin = self._draw_twin(place, others, rng) if others else None
        if twin is None:
            self._enter(place, nature, sites, fields, len(self.stars), rng)
            return
        source = len(self.stars)
        self._enter(place, nature, sites, [place.field], source, rng)
        self._enter(twin, nature, sites, others, source, rng)

    def _enter(
        self,
        place: Place,
        nature: Nature,
        sites: Sequence[str],
        fields: Sequence[str],
        source: int,
        rng: np.random.Generator,
    ) -> None:
        self.stars.append(
            Star(
                number=len(self.stars),
                star_id=self._draw_id(SITE_PREFIX[sites[0]], place, rng),
                field=place.field,
                chip=place.pixel.chip,
                x=place.pixel.x,
                y=place.pixel.y,
                ra=place.ra,
                dec=place.dec,
                i_base=nature.i_base,
                typical_error=self._config.typical_error(nature.i_base),
                kind=nature.kind,
                parent=nature.parent,
                offset=nature.offset,
                response=nature.response,
                event=nature.event,
                variable=nature.variable,
                datasets=tuple((site, field) for site in sites for field in fields),
                source=source,
            )
        )

    def _draw_sites(self, rng: np.random.Generator) -> tuple[str, ...]:
        chance = rng.random() - self._config.all_sites
        n_sites = 3 if chance < 0.0 else 2 if chance < self._config.two_sites else 1
        kept = rng.permutation(len(SITES))[:n_sites]
        return tuple(site for number, site in enumerate(SITES) if number in kept)

    def _draw_twin(self, place: Place, others: Sequence[str], rng: np.random.Generator) -> Place | None:
        """Return the entry in the first other field, a fraction of an arcsecond off; None if there's none."""
        if rng.random() >= self._config.second_entry:
            return None
        shift = rng.normal(0.0, self._config.second_entry_arcsec, 2)
        dx, dy = np.clip(shift, -_LARGEST_SHIFT_ARCSEC, _LARGEST_SHIFT_ARCSEC) * PX_PER_ARCSEC
        pixel = self._sky.pixel(others[0], place.ra, place.dec)
        if pixel is None or not on_chip(pixel.x + dx, pixel.y + dy):
            return None
        return self._sky.at(others[0], replace(pixel, x=float(pixel.x + dx), y=float(pixel.y + dy)))

    def _draw_id(self, prefix: str, place: Place, rng: np.random.Generator) -> str:
        number = int(rng.integers(_NUMBERS_PER_CELL))
        while (name := star_id(prefix, place.field, place.pixel, number)) in self._ids:
            number = (number + 1) % _NUMBERS_PER_CELL
        self._ids.add(name)
        return name


def _fall(centre: Centre, config: CatalogueConfig) -> float:
    """Density of stars at a field's centre, relative to the Galactic centre."""
    latitude, longitude = galactic_latitude(centre.ra, centre.dec), galactic_longitude(centre.ra, centre.dec)
    return float(
        np.exp(-abs(latitude) / config.latitude_scale_deg - abs(longitude) / config.longitude_scale_deg)
    )
