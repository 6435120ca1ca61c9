"""Airmass of an observation from its HJD, with numpy alone."""

from __future__ import annotations

from typing import Final

import numpy as np

from stream_worker.preprocessing.light_curve import Float64Array, SitePosition

MAX_AIRMASS: Final = 10.0
"""Bound of sec z, reached below 5.7 degrees of altitude."""

_J2000: Final = 1545.0  # JD - 2450000
_DAYS_PER_CENTURY: Final = 36525.0
_LIGHT_DAYS_PER_AU: Final = 499.004784 / 86400.0
_PRECESSION_M: Final = np.radians(1.2812323)  # per Julian century, right ascension
_PRECESSION_N: Final = np.radians(0.5567530)  # per Julian century, declination


def airmass(hjd: Float64Array, position: SitePosition, ra: float, dec: float) -> Float64Array:
    """Return sec z, between 1 and `MAX_AIRMASS`.

    Sidereal time from the heliocentric date turned back into the observer's with a low-precision
    Sun, mean place precessed to first order; no nutation, aberration, polar motion or refraction.
    Within 1e-3 of astropy (no refraction) below sec z = 2 and 2e-3 below 3, from 2000 to 2026 (tested).
    Formulae: Astronomical Almanac, low-precision Sun; Aoki et al. 1982, A&A 105, 359, sidereal time.

    Parameters
    ----------
    hjd : float64 [n]
        HJD - 2450000 on the UTC scale.
    position : SitePosition
        Of the telescope.
    ra, dec : float
        Of the star, degrees (ICRS).

    Returns
    -------
    float64 [n]
        Secant of the zenith distance.
    """
    alpha, delta = np.radians(ra), np.radians(dec)
    x, y, z = np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)
    jd = hjd - heliocentric_delay(hjd, x, y, z)
    century = (jd - _J2000) / _DAYS_PER_CENTURY
    m, n = _PRECESSION_M * century, _PRECESSION_N * century
    x_date, y_date, z_date = x - m * y - n * z, y + m * x, z + n * x
    theta = _mean_sidereal_angle(jd) + np.radians(position.longitude)
    latitude = np.radians(position.latitude)
    sin_altitude = np.sin(latitude) * z_date + np.cos(latitude) * (
        np.cos(theta) * x_date + np.sin(theta) * y_date
    )
    sec_z: Float64Array = 1.0 / np.clip(sin_altitude, 1.0 / MAX_AIRMASS, 1.0)
    return sec_z


def _mean_sidereal_angle(jd: Float64Array) -> Float64Array:
    """Greenwich mean sidereal time in radians, for UT1 = UTC."""
    days = jd - _J2000
    century = days / _DAYS_PER_CENTURY
    return np.radians(280.46061837 + 360.98564736629 * days + 0.000387933 * century**2)


def heliocentric_delay(hjd: Float64Array, x: float, y: float, z: float) -> Float64Array:
    """HJD - JD in days towards the unit vector (x, y, z), at either date: HJD - 2450000 or JD - 2450000."""
    days = hjd - _J2000
    anomaly = np.radians(357.528 + 0.9856003 * days)
    sin_anomaly, cos_anomaly = np.sin(anomaly), np.cos(anomaly)
    longitude = np.radians(280.460 + 0.9856474 * days + (1.915 + 0.040 * cos_anomaly) * sin_anomaly)
    distance = 1.00028 - (0.01671 + 0.00028 * cos_anomaly) * cos_anomaly
    obliquity = np.radians(23.439)
    north = np.cos(obliquity) * y + np.sin(obliquity) * z
    towards_sun = np.hypot(x, north) * np.cos(longitude - np.arctan2(north, x))
    delay: Float64Array = -_LIGHT_DAYS_PER_AU * distance * towards_sun
    return delay
