"""The stars of one sky cell, found by position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stream_worker.neighbours.geometry import SphereGrid, separation_arcsec
from stream_worker.neighbours.star import Star


class Neighbour(NamedTuple):
    """Another star within the radius."""

    star: Star
    separation_arcsec: float


class Cell:
    """Stars by id and by position; a look-up costs what lies nearby, however many there are."""

    __slots__ = ("_by_cube", "_grid", "_stars")

    def __init__(self, grid: SphereGrid) -> None:
        self._grid = grid
        self._stars: dict[str, Star] = {}
        self._by_cube: dict[int, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._stars)

    def __iter__(self) -> Iterator[Star]:
        return iter(self._stars.values())

    def get(self, star_id: str) -> Star | None:
        """The star of that id, or None."""
        return self._stars.get(star_id)

    def put(self, star: Star) -> None:
        """Add a star, or put it in the place of what was known of it."""
        known = self._stars.get(star.star_id)
        self._stars[star.star_id] = star
        if known is not None:
            if (known.ra, known.dec) == (star.ra, star.dec):
                return
            self._unplace(known)
        cube = self._grid.cube(star.ra, star.dec)
        self._by_cube[cube] = (*self._by_cube.get(cube, ()), star.star_id)

    def remove(self, star_id: str) -> None:
        """Forget a star; nothing happens if it isn't known."""
        known = self._stars.pop(star_id, None)
        if known is not None:
            self._unplace(known)

    def near(self, star: Star, radius_arcsec: float) -> list[Neighbour]:
        """Every other star within a radius that is no larger than the grid's."""
        found = []
        by_cube, stars = self._by_cube, self._stars
        for cube in self._grid.cubes_around(star.ra, star.dec):
            for star_id in by_cube.get(cube, ()):
                if star_id == star.star_id:
                    continue
                other = stars[star_id]
                apart = separation_arcsec(star.ra, star.dec, other.ra, other.dec)
                if apart <= radius_arcsec:
                    found.append(Neighbour(other, apart))
        return found

    def _unplace(self, star: Star) -> None:
        cube = self._grid.cube(star.ra, star.dec)
        rest = tuple(star_id for star_id in self._by_cube[cube] if star_id != star.star_id)
        if rest:
            self._by_cube[cube] = rest
        else:
            del self._by_cube[cube]
