"""Sun, Moon and fields over a site, by astropy without any network, and the sky level they make."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields

import numpy as np

from model_build.season.config import SkyConfig
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array

_JD_ZERO = 2_450_000.0
_LIGHT_DAYS_PER_AU = 0.0057755183
_GRID_D = 1.0 / 24.0  # a cubic spline through hourly values is good to 1e-4 in sin(altitude)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a telescope stands: degrees (east positive) and metres."""

    longitude: float
    latitude: float
    altitude_m: float


@dataclass(frozen=True, slots=True)
class Direction:
    """ICRS position, degrees."""

    ra: float
    dec: float


@dataclass(frozen=True, slots=True, eq=False)
class Ephemeris:
    """Values on a common hourly grid ``jd`` (JD - 2450000, UTC), float64 [n].

    Parameters
    ----------
    sun, moon
        Geocentric vectors along ICRS axes, au, [n, 3].
    sin_altitude
        By (site, "sun"), (site, "moon") and (site, field), [n]; without refraction.
    """

    jd: Float64Array
    sun: Float64Array
    moon: Float64Array
    sin_altitude: Mapping[tuple[str, str], Float64Array]


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """A field over a site at given times, float64 [n] each.

    Sines of altitudes, the Moon's illuminated share, its separation from the field in degrees and
    HJD - 2450000.
    """

    sin_sun: Float64Array
    sin_moon: Float64Array
    sin_field: Float64Array
    illuminated: Float64Array
    separation_deg: Float64Array
    hjd: Float64Array

    def at(self, chosen: BoolArray) -> Geometry:
        """Return the values where ``chosen`` [n] is true."""
        return Geometry(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})


def compute_ephemeris(
    first: float, last: float, places: Mapping[str, Place], directions: Mapping[str, Direction]
) -> Ephemeris:
    """Compute the ephemeris from ``first`` to ``last`` (JD - 2450000, UTC), by site and field."""
    import astropy.units as u
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body, solar_system_ephemeris
    from astropy.time import Time

    jd = np.arange(first - _GRID_D, last + 2 * _GRID_D, _GRID_D)
    targets = SkyCoord(
        [direction.ra for direction in directions.values()] * u.deg,
        [direction.dec for direction in directions.values()] * u.deg,
    )
    altitudes: dict[tuple[str, str], Float64Array] = {}
    with _offline(), solar_system_ephemeris.set("builtin"):
        times = Time(_JD_ZERO, jd, format="jd", scale="utc")
        sun, moon = get_body("sun", times), get_body("moon", times)
        for site, place in places.items():
            location = EarthLocation.from_geodetic(place.longitude, place.latitude, place.altitude_m)
            horizon = AltAz(obstime=times, location=location)
            altitudes[site, "sun"] = _sin_altitude(sun.transform_to(horizon))
            altitudes[site, "moon"] = _sin_altitude(moon.transform_to(horizon))
            horizon = AltAz(obstime=times[:, None], location=location)
            by_field = _sin_altitude(targets[None, :].transform_to(horizon))
            altitudes |= {(site, name): by_field[:, n] for n, name in enumerate(directions)}
        return Ephemeris(jd, _vector(sun), _vector(moon), altitudes)


def geometry(ephemeris: Ephemeris, site: str, field: str, direction: Direction, jd: Float64Array) -> Geometry:
    """Interpolate the ephemeris at ``jd`` (JD - 2450000, UTC; within its span)."""
    star = _unit(direction)
    sun, moon = _at(ephemeris.jd, ephemeris.sun, jd), _at(ephemeris.jd, ephemeris.moon, jd)
    moonward = moon / np.linalg.norm(moon, axis=1, keepdims=True)
    sunward = sun / np.linalg.norm(sun, axis=1, keepdims=True)
    sin_sun, sin_moon, sin_field = (
        _at(ephemeris.jd, ephemeris.sin_altitude[site, name], jd) for name in ("sun", "moon", field)
    )
    return Geometry(
        sin_sun=sin_sun,
        sin_moon=sin_moon,
        sin_field=sin_field,
        illuminated=0.5 * (1.0 - np.sum(moonward * sunward, axis=1)),
        separation_deg=np.degrees(np.arccos(np.clip(moonward @ star, -1.0, 1.0))),
        hjd=jd - _LIGHT_DAYS_PER_AU * (sun @ star),
    )


def sky_level(dark: float, airmass: Float64Array, geometry: Geometry, config: SkyConfig) -> Float64Array:
    """Sky level (ADU) [n] without scatter; ``dark`` is that at the zenith without Moon."""
    halo = 1.0 + config.moon_halo * np.exp(-geometry.separation_deg / config.halo_deg)
    height = np.sqrt(np.clip(geometry.sin_moon, 0.0, None))
    moonlit = 1.0 + config.moon * geometry.illuminated**2 * height * halo
    return np.asarray(dark * airmass**config.airmass_power * np.minimum(moonlit, config.cap))


@contextmanager
def _offline() -> Iterator[None]:
    """Keep astropy to its packaged Earth rotation data; beyond their end its mean values do."""
    from astropy.utils.exceptions import AstropyWarning
    from astropy.utils.iers import conf

    with (
        conf.set_temp("auto_download", False),
        conf.set_temp("auto_max_age", None),
        conf.set_temp("iers_degraded_accuracy", "ignore"),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "(?s).*polar motions", AstropyWarning)
        warnings.filterwarnings("ignore", "(?s).*dubious year")
        yield


def _sin_altitude(horizontal: object) -> Float64Array:
    return np.sin(np.asarray(horizontal.alt.rad, dtype=np.float64))  # type: ignore[attr-defined]


def _vector(body: object) -> Float64Array:
    return np.asarray(body.cartesian.xyz.to_value("au").T, dtype=np.float64)  # type: ignore[attr-defined]


def _unit(direction: Direction) -> Float64Array:
    ra, dec = np.radians(direction.ra), np.radians(direction.dec)
    return np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def _at(grid: Float64Array, values: Float64Array, jd: Float64Array) -> Float64Array:
    from scipy.interpolate import CubicSpline

    return np.asarray(CubicSpline(grid, values, extrapolate=False)(jd))
