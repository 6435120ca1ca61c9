"""Sky cells: which HEALPix cell a star is in, and which further cells must know of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ORDER = 8
_RING_POINTS = 8
_POLAR_DEC = 85.0
_OUTLINE_STEPS = 16
_CURVATURE_ARCSEC = 1.0


class SkyCells:
    """HEALPix cells (nested, order 8, about 14 arcmin) with halo copies within a radius.

    Parameters
    ----------
    radius_arcsec
        Grouping radius; a star nearer than this to another cell is also sent there.
    """

    def __init__(self, radius_arcsec: float) -> None:
        # imported here: a second that a process which asks for no cell need not spend
        from astropy import units
        from astropy_healpix import HEALPix

        self._degree = units.deg
        self._healpix = HEALPix(nside=2**ORDER, order="nested")
        self._set_radius(radius_arcsec)

    def follow(self, radius_arcsec: float) -> None:
        """Take another radius, if it is another: the cells stay as they are, the copies change."""
        if radius_arcsec != self._radius_arcsec:
            self._set_radius(radius_arcsec)

    def _set_radius(self, radius_arcsec: float) -> None:
        self._radius_arcsec = radius_arcsec
        self._reach_deg = (radius_arcsec + _CURVATURE_ARCSEC) / 3600
        angle = np.linspace(0, 2 * np.pi, _RING_POINTS, endpoint=False)
        self._ring_deg = 2 * radius_arcsec / 3600 * np.stack([np.cos(angle), np.sin(angle)])

    def cells(self, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> list[tuple[int, ...]]:
        """Home cell first, then every other cell that the radius touches.

        Parameters
        ----------
        ra, dec
            Degrees, shape [n].

        Returns
        -------
        list of n tuples
        """
        home = self._cell(ra, dec)
        cells: list[tuple[int, ...]] = [(cell,) for cell in home.tolist()]
        near = (~self._well_inside(ra, dec, home)).nonzero()[0]
        if near.size:
            halos = self._with_halo(ra[near], dec[near], home[near])
            for place, halo in zip(near.tolist(), halos, strict=True):
                cells[place] = halo
        return cells

    def _cell(self, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.asarray(
            self._healpix.lonlat_to_healpix(ra * self._degree, dec * self._degree), dtype=np.int64
        )

    def _well_inside(
        self, ra: NDArray[np.float64], dec: NDArray[np.float64], home: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Whether a ring of twice the radius lies in the home cell, whose edges are nearly straight.

        Near the poles they are not, so there the answer is always no.
        """
        polar = np.abs(dec) > _POLAR_DEC
        cos_dec = np.where(polar, 1.0, np.cos(np.radians(dec)))
        ring_ra = ra[:, None] + self._ring_deg[0] / cos_dec[:, None]
        ring_dec = np.clip(dec[:, None] + self._ring_deg[1], -90, 90)
        ring_cells = self._cell(ring_ra.ravel(), ring_dec.ravel()).reshape(len(ra), _RING_POINTS)
        return np.asarray(~polar & np.all(ring_cells == home[:, None], axis=1), dtype=np.bool_)

    def _with_halo(
        self, ra: NDArray[np.float64], dec: NDArray[np.float64], home: NDArray[np.int64]
    ) -> list[tuple[int, ...]]:
        """Home and every neighbouring cell whose outline comes within the radius.

        The library's cone search misses cells that touch the disc with a corner.
        """
        with np.errstate(invalid="ignore"):  # the few cells with seven neighbours
            around = self._healpix.neighbours(home).T
        exists = around >= 0
        cells = np.where(exists, around, home[:, None]).ravel()
        lon, lat = (
            angle.to_value(self._degree).reshape(*around.shape, -1)
            for angle in self._healpix.boundaries_lonlat(cells, step=_OUTLINE_STEPS)
        )
        distance = _outline_distance(ra[:, None, None], dec[:, None, None], lon, lat)
        touched = exists & (distance <= self._reach_deg)
        return [
            (cell, *sorted(set(neighbours[near].tolist())))
            for cell, neighbours, near in zip(home.tolist(), around, touched, strict=True)
        ]


def _outline_distance(
    ra: NDArray[np.float64], dec: NDArray[np.float64], lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance in degrees from points to closed outlines [..., k], in each point's tangent (gnomonic) plane.

    There great circles are straight. Outlines that reach behind the tangent plane count as near.
    """
    dra, phi, lat = np.radians(lon - ra), np.radians(dec), np.radians(lat)
    depth = np.sin(phi) * np.sin(lat) + np.cos(phi) * np.cos(lat) * np.cos(dra)
    behind = np.any(depth <= 0, axis=-1)
    depth = np.where(depth <= 0, 1.0, depth)
    x = np.cos(lat) * np.sin(dra) / depth
    y = (np.cos(phi) * np.sin(lat) - np.sin(phi) * np.cos(lat) * np.cos(dra)) / depth
    step_x, step_y = np.roll(x, -1, axis=-1) - x, np.roll(y, -1, axis=-1) - y
    length2 = np.maximum(step_x**2 + step_y**2, 1e-30)
    along = np.clip(-(x * step_x + y * step_y) / length2, 0, 1)
    nearest = np.hypot(x + along * step_x, y + along * step_y).min(axis=-1)
    return np.where(behind, 0.0, np.degrees(nearest))


def sexagesimal(ra: float, dec: float) -> tuple[str, str]:
    """Format degrees as ``hh:mm:ss.ss`` and ``+dd:mm:ss.s``, rounded without ever showing 60."""
    hundredths = round((ra % 360) / 15 * 360_000) % (24 * 360_000)
    hours, rest = divmod(hundredths, 360_000)
    minutes, hundredths = divmod(rest, 6_000)
    tenths = round(abs(dec) * 36_000)
    degrees, rest = divmod(tenths, 36_000)
    arcminutes, tenths = divmod(rest, 600)
    sign = "-" if dec < 0 else "+"
    return (
        f"{hours:02d}:{minutes:02d}:{hundredths / 100:05.2f}",
        f"{sign}{degrees:02d}:{arcminutes:02d}:{tenths / 10:04.1f}",
    )
