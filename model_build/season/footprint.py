"""Fields on the sky, their chips, and the identifiers of the stars on them.

A field is 2 x 2 chips of 1 x 1 degree (9000 px of 0.40 arcsec) with a gap between them. Columns of the
chips run north-south: x grows eastward, y northward, in a sinusoidal projection about the field's centre.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

CHIP_PX = 9000
PX_PER_DEG = 9000.0
PX_PER_ARCSEC = PX_PER_DEG / 3600.0
CHIPS = ("K", "M", "T", "N")
SITE_PREFIX = {"CTIO": "BLG", "SAAO": "SAO", "SSO": "SSO"}

_GAP_DEG = 0.05
_HALF_DEG = 1.0 + _GAP_DEG / 2
_GALACTIC_POLE = (192.85948, 27.12825)  # RA, Dec (J2000)
_CELL_PX = 1125  # 8 x 8 cells on a chip
_QUADRANT = {"K": (1, 1), "M": (-1, 1), "T": (1, -1), "N": (-1, -1)}  # (east, north); the assignment is ours


class Centre(Protocol):
    """Centre of a field, degrees."""

    @property
    def ra(self) -> float:
        """Right ascension."""

    @property
    def dec(self) -> float:
        """Declination."""


@dataclass(frozen=True, slots=True)
class Pixel:
    """A place on a chip: px from its south-west corner."""

    chip: str
    x: float
    y: float


def to_sky(centre: Centre, pixel: Pixel) -> tuple[float, float]:
    """Return RA and Dec (degrees) of a place on a chip."""
    east, north = (
        _to_offset(v, side) for v, side in zip((pixel.x, pixel.y), _QUADRANT[pixel.chip], strict=True)
    )
    dec = centre.dec + north
    return centre.ra + east / math.cos(math.radians(dec)), dec


def to_pixel(centre: Centre, ra: float, dec: float) -> Pixel | None:
    """Return the place on a chip of a field, or None in a gap or outside the field."""
    north = dec - centre.dec
    if abs(north) > _HALF_DEG:
        return None
    east = (ra - centre.ra) * math.cos(math.radians(dec))
    sides = (1 if east > 0 else -1, 1 if north > 0 else -1)
    chip = next(name for name, quadrant in _QUADRANT.items() if quadrant == sides)
    x, y = _from_offset(east, sides[0]), _from_offset(north, sides[1])
    return Pixel(chip, x, y) if on_chip(x, y) else None


def on_chip(x: float, y: float) -> bool:
    """Tell whether a place is on the silicon."""
    return 0.0 <= x < CHIP_PX and 0.0 <= y < CHIP_PX


def fields_at(fields: Mapping[str, Centre], ra: float, dec: float) -> dict[str, Pixel]:
    """Return every field that images the place, with where on its chips, in the order of ``fields``."""
    found = {name: to_pixel(centre, ra, dec) for name, centre in fields.items()}
    return {name: pixel for name, pixel in found.items() if pixel is not None}


def star_id(prefix: str, field: str, pixel: Pixel, number: int) -> str:
    """Return an identifier as BLG11M0308.009408: catalogue, field, chip, cell (column, row) and number."""
    column, row = int(pixel.x // _CELL_PX), int(pixel.y // _CELL_PX)
    return f"{prefix}{field.removeprefix('BLG')}{pixel.chip}{column:02d}{row:02d}.{number:06d}"


def galactic_latitude(ra: float, dec: float) -> float:
    """Galactic latitude in degrees of an ICRS position in degrees."""
    pole_ra, pole_dec = map(math.radians, _GALACTIC_POLE)
    alpha, delta = math.radians(ra), math.radians(dec)
    sine = math.sin(pole_dec) * math.sin(delta)
    return math.degrees(math.asin(sine + math.cos(pole_dec) * math.cos(delta) * math.cos(alpha - pole_ra)))


def _to_offset(px: float, side: int) -> float:
    """Degrees from the field's centre, positive east or north."""
    near = _GAP_DEG / 2
    return near + px / PX_PER_DEG if side > 0 else -near - 1.0 + px / PX_PER_DEG


def _from_offset(degrees: float, side: int) -> float:
    near = _GAP_DEG / 2
    return (degrees - near) * PX_PER_DEG if side > 0 else (degrees + near + 1.0) * PX_PER_DEG
