"""The stars of one sky cell, found by position."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from stream_worker.neighbours.geometry import SphereGrid, separation_arcsec
from stream_worker.neighbours.star import Star


class Neighbour(NamedTuple):
    """Another star within the radius."""

    star: Star
    separation_arcsec: float


class Cell:
    """Stars by id and by position; a look-up costs what lies nearby, however many there are.

    Positions are kept as two sorted columns, the grid's cubes and the stars in them: small, and a cell has
    few enough stars to insert into.
    """

    __slots__ = ("_cubes", "_grid", "_in_cube", "_stars")

    def __init__(self, grid: SphereGrid) -> None:
        self._grid = grid
        self._stars: dict[str, Star] = {}
        self._cubes = array("q")
        self._in_cube: list[str] = []

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
        at = bisect_right(self._cubes, cube)
        self._cubes.insert(at, cube)
        self._in_cube.insert(at, star.star_id)

    def remove(self, star_id: str) -> None:
        """Forget a star; nothing happens if it isn't known."""
        known = self._stars.pop(star_id, None)
        if known is not None:
            self._unplace(known)

    def near(self, star: Star, radius_arcsec: float) -> list[Neighbour]:
        """Every other star within a radius that is no larger than the grid's."""
        found = []
        cubes, stars = self._cubes, self._stars
        for first, last in self._grid.rows_around(star.ra, star.dec):
            begin = bisect_left(cubes, first)
            for star_id in self._in_cube[begin : bisect_right(cubes, last, begin)]:
                if star_id == star.star_id:
                    continue
                other = stars[star_id]
                apart = separation_arcsec(star.ra, star.dec, other.ra, other.dec)
                if apart <= radius_arcsec:
                    found.append(Neighbour(other, apart))
        return found

    def _unplace(self, star: Star) -> None:
        at = bisect_left(self._cubes, self._grid.cube(star.ra, star.dec))
        at = self._in_cube.index(star.star_id, at)
        del self._cubes[at], self._in_cube[at]
