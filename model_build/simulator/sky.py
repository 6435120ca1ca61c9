"""Where the Sun, the Moon and a star stand: low-precision formulae, good to a few arcminutes.

Sun, Moon and sidereal time after the Astronomical Almanac's low-precision formulae (Moon: 0.3 deg).
Times are JD - 2450000 (UT), angles degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream_worker.preprocessing.light_curve import Float64Array

_J2000 = 1545.0  # JD - 2450000 of the epoch J2000.0
_OBLIQUITY = np.radians(23.439)
_LIGHT_DAYS_PER_AU = 0.0057755183


@dataclass(frozen=True, slots=True)
class SkyPosition:
    """Apparent right ascension and declination in degrees, float64 [n] or scalars."""

    ra: Float64Array
    dec: Float64Array


def _from_ecliptic(longitude: Float64Array, latitude: Float64Array) -> SkyPosition:
    """Equatorial position of ecliptic longitude and latitude (radians)."""
    x = np.cos(latitude) * np.cos(longitude)
    y = np.cos(latitude) * np.sin(longitude)
    z = np.sin(latitude)
    y, z = y * np.cos(_OBLIQUITY) - z * np.sin(_OBLIQUITY), y * np.sin(_OBLIQUITY) + z * np.cos(_OBLIQUITY)
    return SkyPosition(np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arcsin(z)))


def sun(jd: Float64Array) -> tuple[SkyPosition, Float64Array]:
    """Position of the Sun and its distance in au."""
    days = jd - _J2000
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = 280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly)
    distance = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2 * anomaly)
    return _from_ecliptic(np.radians(longitude), np.zeros_like(jd)), distance


def moon(jd: Float64Array) -> SkyPosition:
    """Geocentric position of the Moon."""
    c = (jd - _J2000) / 36525.0  # Julian centuries

    def s(offset: float, rate: float) -> Float64Array:
        return np.sin(np.radians(offset + rate * c))

    longitude = (
        218.32 + 481267.881 * c + 6.29 * s(135.0, 477198.87) - 1.27 * s(259.3, -413335.36)
        + 0.66 * s(235.7, 890534.22) + 0.21 * s(269.9, 954397.74)
        - 0.19 * s(357.5, 35999.05) - 0.11 * s(186.5, 966404.03)
    )  # fmt: skip
    latitude = (
        5.13 * s(93.3, 483202.02) + 0.28 * s(228.2, 960400.89)
        - 0.28 * s(318.3, 6003.15) - 0.17 * s(217.6, -407332.21)
    )  # fmt: skip
    return _from_ecliptic(np.radians(longitude), np.radians(latitude))


def sin_altitude(jd: Float64Array, longitude: float, latitude: float, position: SkyPosition) -> Float64Array:
    """Sine of the altitude of ``position`` at a site of east ``longitude`` and ``latitude`` (degrees)."""
    sidereal = 280.46061837 + 360.98564736629 * (jd - _J2000) + longitude
    hour_angle = np.radians(sidereal - position.ra)
    lat, dec = np.radians(latitude), np.radians(position.dec)
    return np.asarray(np.sin(lat) * np.sin(dec) + np.cos(lat) * np.cos(dec) * np.cos(hour_angle))


def cos_separation(a: SkyPosition, b: SkyPosition) -> Float64Array:
    """Cosine of the angle between two directions."""
    dec_a, dec_b = np.radians(a.dec), np.radians(b.dec)
    product = np.cos(dec_a) * np.cos(dec_b) * np.cos(np.radians(a.ra - b.ra))
    return np.asarray(np.sin(dec_a) * np.sin(dec_b) + product)


def heliocentric(jd: Float64Array, star: SkyPosition) -> Float64Array:
    """HJD - 2450000 of JD - 2450000: the light travel time to the Sun, at most 8.3 minutes."""
    position, distance = sun(jd)
    return np.asarray(jd - _LIGHT_DAYS_PER_AU * distance * cos_separation(position, star))
