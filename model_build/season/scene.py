"""All stars of a season that AlertFinder may flag, placed around the objects that make them vary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from model_build.season import parents
from model_build.season.config import SeasonConfig
from model_build.season.events import draw_baseline_magnitude, draw_event
from model_build.season.footprint import CHIP_PX, CHIPS, PX_PER_DEG, Pixel
from model_build.season.generators import generator
from model_build.season.parents import Drawn
from model_build.season.photometry import flux_of_magnitude
from model_build.season.placing import Catalogue, Nature, Place, Sky
from model_build.season.schedule import season_span
from model_build.season.stars import Parent, Scene
from model_build.season.variables import KINDS, Kind, draw_variable
from stream_worker.preprocessing import SITES
from stream_worker.preprocessing.light_curve import Float64Array

_NEAREST_PX = 2.0  # closer stars are one catalogue entry with the object itself


def build_scene(
    config: SeasonConfig, season: int, seed: int, scale_events: float, scale_false: float
) -> Scene:
    """Draw a season's stars and parents; the same arguments give the same scene.

    Parameters
    ----------
    config
        All numbers.
    season
        Year.
    seed
        Not negative.
    scale_events, scale_false
        Shares of the survey's real numbers of events and of everything else, not negative.

    Raises
    ------
    ValueError
        If a scale is negative or not finite.
    """
    for name, scale in (("scale_events", scale_events), ("scale_false", scale_false)):
        if not 0.0 <= scale < np.inf:
            raise ValueError(f"{name} is {scale}, expected a finite number, at least 0")
    builder = _Builder(config, season, seed)
    builder.repeat("event", config.artefacts.events * scale_events, builder.add_event)
    rates = config.artefacts.rates
    builder.repeat("bleed", rates.bleed * scale_false, builder.add_bleed)
    builder.repeat("spike", rates.spike * scale_false, builder.add_spike)
    builder.repeat("neighbour", rates.neighbour * scale_false, builder.add_bright_variable)
    builder.repeat("dipole", rates.dipole * scale_false, builder.add_dipole)
    builder.repeat("hot_column", rates.hot_column * scale_false, builder.add_hot_column)
    builder.repeat("moonlight", rates.moonlight * scale_false, builder.add_moonlight)
    for kind in KINDS:
        stars = config.variables.stars.get(kind, 0.0) * config.artefacts.variable_share
        builder.repeat(kind, stars * scale_false, partial(builder.add_variable, kind))
    builder.repeat("quiet", config.artefacts.quiet_stars * scale_false, builder.add_quiet)
    return Scene(
        season=season,
        seed=seed,
        misfit_max=config.artefacts.misfit_max,
        stars=tuple(builder.catalogue.stars),
        parents=builder.parents,
    )


class _Builder:
    """Adds objects one by one, each with its own generator."""

    def __init__(self, config: SeasonConfig, season: int, seed: int) -> None:
        self._config = config
        self._artefacts = config.artefacts
        self._season = season
        self._seed = seed
        self._window = season_span(season, config)
        self._sky = Sky(config.fields, self._artefacts.catalogue)
        self.catalogue = Catalogue(self._sky, self._artefacts.catalogue)
        self.parents: dict[str, Parent] = {}

    def repeat(self, kind: str, expected: float, add: Callable[[str, np.random.Generator], None]) -> None:
        """Call ``add`` with a name and its generator, ``expected`` times on average."""
        whole = int(expected)
        more = generator(self._seed, "scene", self._season, kind, "count").random() < expected - whole
        for number in range(whole + more):
            rng = generator(self._seed, "scene", self._season, kind, "object", number)
            add(f"{kind}-{number:06d}", rng)

    def add_event(self, name: str, rng: np.random.Generator) -> None:
        """Add an event and its ghosts."""
        place = self._sky.draw(rng)
        i_base = draw_baseline_magnitude(self._config.events, rng)
        event = draw_event(self._config.events, self._window, i_base, place.ra, place.dec, rng)
        drawn = parents.draw_ghosting(
            self._artefacts, event, i_base, (place.ra, place.dec), self._window, rng
        )
        parent = self._add_parent(name, "event", place, drawn)
        self.catalogue.add(place, Nature("event", i_base, parent.parent_id, event=event), rng)
        self._add_around(parent, place, "ghost", self._artefacts.ghost.affected, rng)

    def add_bleed(self, name: str, rng: np.random.Generator) -> None:
        """Add a saturated star and the stars on its trail."""
        drawn = parents.draw_bleed(self._artefacts, self._window, rng)
        self._add_bright(name, "bleed", drawn, self._artefacts.bleed.affected, rng)

    def add_spike(self, name: str, rng: np.random.Generator) -> None:
        """Add a bright star and the stars under its spikes."""
        drawn = parents.draw_spike(self._artefacts, self._window, rng)
        self._add_bright(name, "spike", drawn, self._artefacts.spike.affected, rng)

    def add_bright_variable(self, name: str, rng: np.random.Generator) -> None:
        """Add a bright variable star and the neighbours it spoils."""
        drawn = parents.draw_bright_variable(self._artefacts, self._config.variables, self._window, rng)
        affected, inverted = self._artefacts.neighbour.affected, self._artefacts.neighbour.inverted
        self._add_bright(name, "neighbour", drawn, affected, rng, inverted=inverted)

    def add_dipole(self, name: str, rng: np.random.Generator) -> None:
        """Add a star that moves."""
        place, i_base = self._sky.draw(rng), float(self._draw_magnitudes(1, rng)[0])
        error = self._artefacts.catalogue.typical_error(i_base)
        drawn = parents.draw_dipole(self._artefacts, error, self._window, rng)
        parent = self._add_parent(name, "dipole", place, drawn)
        self.catalogue.add(place, Nature("dipole", i_base, parent.parent_id), rng)

    def add_hot_column(self, name: str, rng: np.random.Generator) -> None:
        """Add a column of one chip of the detector, under stars of all fields."""
        pixel = Pixel(CHIPS[rng.integers(len(CHIPS))], float(rng.uniform(0.0, CHIP_PX)), 0.0)
        settings = self._artefacts.hot_column
        drawn = parents.draw_hot_column(self._artefacts, pixel.x, self._window, rng)
        nowhere = Place("", pixel, np.nan, np.nan)
        parent = self._add_parent(name, "hot_column", nowhere, drawn, on_detector=True)
        n = rng.poisson(settings.members)
        on_mirror = rng.random(n) < settings.mirrored
        dx = rng.uniform(-2.0, 2.0, n) * settings.width_px + on_mirror * parents.mirror_offset(
            self._artefacts, pixel.x
        )
        y = rng.uniform(0.0, CHIP_PX, n)
        origins = [self._sky.at(self._sky.draw_field(rng), pixel) for _ in range(n)]
        self._add_members(parent, origins, dx, y, "hot_column", rng)

    def add_moonlight(self, name: str, rng: np.random.Generator) -> None:
        """Add a place where moonlight falls on a chip, and stars over the chip."""
        place, drawn = self._sky.draw(rng), parents.draw_moonlight(self._artefacts, rng)
        parent = self._add_parent(name, "moonlight", place, drawn, on_detector=True)
        n = rng.poisson(self._artefacts.moonlight.members)
        dx = rng.uniform(0.0, CHIP_PX, n) - place.pixel.x
        dy = rng.uniform(0.0, CHIP_PX, n) - place.pixel.y
        self._add_members(parent, [place] * n, dx, dy, "moonlight", rng)

    def add_variable(self, kind: Kind, _name: str, rng: np.random.Generator) -> None:
        """Add an isolated variable star, unless it varies too little to be flagged ever."""
        variable = draw_variable(self._config.variables, self._window, rng, kind)
        catalogue = self._artefacts.catalogue
        change = flux_of_magnitude(variable.i_base) * parents.largest_change(variable, self._window)
        if change >= catalogue.keep_above * catalogue.typical_error(variable.i_base):
            self.catalogue.add(self._sky.draw(rng), Nature(kind, variable.i_base, variable=variable), rng)

    def add_quiet(self, _name: str, rng: np.random.Generator) -> None:
        """Add a star to which nothing happens."""
        self.catalogue.add(self._sky.draw(rng), Nature("quiet", float(self._draw_magnitudes(1, rng)[0])), rng)

    def _add_bright(
        self,
        name: str,
        kind: str,
        drawn: Drawn,
        affected: float,
        rng: np.random.Generator,
        *,
        inverted: float = 0.0,
    ) -> None:
        place = self._sky.draw(rng)
        parent = self._add_parent(name, kind, place, drawn)
        self._add_around(parent, place, kind, affected, rng, inverted=inverted)

    def _add_parent(
        self, name: str, kind: str, place: Place, drawn: Drawn, *, on_detector: bool = False
    ) -> Parent:
        parent = Parent(
            parent_id=name,
            kind=kind,
            field=place.field,
            chip=place.pixel.chip,
            x=place.pixel.x,
            y=place.pixel.y,
            ra=place.ra,
            dec=place.dec,
            i_mag=drawn.i_mag,
            site_factors=drawn.site_factors,
            on_detector=on_detector,
            cause=drawn.cause,
        )
        self.parents[parent.parent_id] = parent
        return parent

    def _add_around(
        self,
        parent: Parent,
        place: Place,
        kind: str,
        affected: float,
        rng: np.random.Generator,
        *,
        inverted: float = 0.0,
    ) -> None:
        """Add the catalogue's stars within the parent's reach, as many as there are on such an area."""
        reach_x, reach_y = parent.cause.reach
        area = 4.0 * reach_x * reach_y / PX_PER_DEG**2
        n = rng.poisson(self._sky.density(place.field) * affected * area)
        dx, dy = rng.uniform(-reach_x, reach_x, n), rng.uniform(-reach_y, reach_y, n)
        apart = np.hypot(dx, dy) >= _NEAREST_PX
        dx, dy = dx[apart], dy[apart]
        self._add_members(parent, [place] * dx.size, dx, dy, kind, rng, inverted=inverted)

    def _add_members(
        self,
        parent: Parent,
        origins: Sequence[Place],
        dx: Float64Array,
        dy: Float64Array,
        kind: str,
        rng: np.random.Generator,
        *,
        inverted: float = 0.0,
    ) -> None:
        """Add those stars, ``dx`` and ``dy`` px from their origins, in which the artefact could be seen."""
        catalogue = self._artefacts.catalogue
        magnitudes, response = (
            self._draw_magnitudes(dx.size, rng),
            self._draw_response(dx.size, inverted, rng),
        )
        seen = np.max(np.abs(response) * np.asarray(parent.site_factors), axis=1, initial=0.0)
        flux = seen * parent.cause.strength * parent.cause.couple(dx, dy)
        errors = np.array([catalogue.typical_error(i) for i in magnitudes])
        added = 0
        for n in np.flatnonzero(flux >= catalogue.keep_above * errors).tolist():
            place = self._sky.beside(origins[n], float(dx[n]), float(dy[n]))
            if place is None or added == catalogue.members_max:
                continue
            nature = Nature(
                kind=kind,
                i_base=float(magnitudes[n]),
                parent=parent.parent_id,
                offset=(float(dx[n]), float(dy[n])),
                response=(float(response[n, 0]), float(response[n, 1]), float(response[n, 2])),
            )
            self.catalogue.add(place, nature, rng)
            added += 1

    def _draw_magnitudes(self, n: int, rng: np.random.Generator) -> Float64Array:
        catalogue = self._artefacts.catalogue
        return parents.draw_magnitudes(catalogue.i_range, catalogue.i_slope, n, rng)

    def _draw_response(self, n: int, inverted: float, rng: np.random.Generator) -> Float64Array:
        """[n, 3] factors about 1 at CTIO, SAAO, SSO, of one sign for each star."""
        scatter = self._artefacts.response
        of_star = rng.normal(0.0, scatter.star_sigma, (n, 1))
        at_site = rng.normal(0.0, scatter.site_sigma, (n, len(SITES)))
        sign = np.where(rng.random((n, 1)) < inverted, -1.0, 1.0)
        return np.asarray(sign * np.exp(of_star + at_site))
