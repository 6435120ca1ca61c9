"""Great circles: separations, and a grid on the sphere that knows no edges at RA 0 or the poles."""

from __future__ import annotations

from collections.abc import Iterator
from math import asin, cos, degrees, floor, radians, sin, sqrt
from typing import Final

_ARCSEC: Final = 3600.0
_STRIDE: Final = 1 << 21  # no grid has so many cells along one axis
_STEPS: Final = (-1, 0, 1)
_FINEST_ARCSEC: Final = 1.0  # a key fits into 64 bits


def separation_arcsec(ra_1: float, dec_1: float, ra_2: float, dec_2: float) -> float:
    """Great-circle distance of two positions in degrees, by haversines: exact for small angles."""
    phi_1, phi_2 = radians(dec_1), radians(dec_2)
    half_dec = sin((phi_2 - phi_1) / 2)
    half_ra = sin(radians(ra_2 - ra_1) / 2)
    haversine = half_dec * half_dec + cos(phi_1) * cos(phi_2) * half_ra * half_ra
    return degrees(2 * asin(min(1.0, sqrt(haversine)))) * _ARCSEC


class SphereGrid:
    """Cubes in the space around the unit sphere, their edge one radius long, or an arcsecond if that is more.

    Whatever lies within the radius of a position is in the cube of that position or in one of the 26
    around it: a chord is never longer than its arc.
    """

    __slots__ = ("_edge", "radius_arcsec")

    def __init__(self, radius_arcsec: float) -> None:
        self.radius_arcsec = radius_arcsec
        # rounding must not lose a pair
        self._edge = radians(max(radius_arcsec, _FINEST_ARCSEC) / _ARCSEC) * (1 + 1e-9)

    def cube(self, ra: float, dec: float) -> int:
        """Key of the cube that holds a position."""
        x, y, z = self._steps(ra, dec)
        return _key(x, y, z)

    def rows_around(self, ra: float, dec: float) -> Iterator[tuple[int, int]]:
        """First and last keys of the rows of cubes that may hold what lies within the radius."""
        x, y, z = self._steps(ra, dec)
        for dx in _STEPS:
            for dy in _STEPS:
                yield _key(x + dx, y + dy, z - 1), _key(x + dx, y + dy, z + 1)

    def _steps(self, ra: float, dec: float) -> tuple[int, int, int]:
        alpha, delta = radians(ra), radians(dec)
        across = cos(delta)
        edge = self._edge
        return floor(across * cos(alpha) / edge), floor(across * sin(alpha) / edge), floor(sin(delta) / edge)


def _key(x: int, y: int, z: int) -> int:
    return (x * _STRIDE + y) * _STRIDE + z
