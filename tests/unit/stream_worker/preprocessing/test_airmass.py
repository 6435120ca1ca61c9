"""Airmass against astropy."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, solar_system_ephemeris
from astropy.time import Time
from astropy.utils import iers

from stream_worker.preprocessing import MAX_AIRMASS, SITE_POSITIONS, SITES, airmass

BULGE = ((268.4, -31.0), (262.2, -23.1), (271.9, -35.1))


@pytest.fixture(scope="module")
def truth():
    """sec z of astropy (no refraction) and the HJD at random times of 2000 to 2026, per site and star."""
    jd = np.random.default_rng(1).uniform(2451545.0, 2461000.0, 1500)
    cases = []
    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        iers.conf.set_temp("iers_degraded_accuracy", "warn"),
        solar_system_ephemeris.set("builtin"),
    ):
        time = Time(jd, format="jd", scale="utc")
        for site in SITES:
            position = SITE_POSITIONS[site]
            place = EarthLocation.from_geodetic(position.longitude, position.latitude, 1500.0 * units.m)
            for ra, dec in BULGE:
                star = SkyCoord(ra, dec, unit="deg")
                delay = time.light_travel_time(star, "heliocentric", location=place).to_value("day")
                altitude = star.transform_to(AltAz(obstime=time, location=place)).alt.rad
                cases.append((site, ra, dec, jd + delay - 2450000.0, np.sin(altitude)))
    return cases


def test_it_agrees_with_astropy(truth):
    for site, ra, dec, hjd, sin_altitude in truth:
        ours = airmass(hjd, SITE_POSITIONS[site], ra, dec)
        for limit, accuracy in ((2.0, 1e-3), (3.0, 2e-3)):
            high = sin_altitude > 1.0 / limit
            assert high.sum() > 300
            np.testing.assert_allclose(ours[high], 1.0 / sin_altitude[high], rtol=0.0, atol=accuracy)


def test_it_is_bounded_below_the_horizon(truth):
    for site, ra, dec, hjd, sin_altitude in truth:
        ours = airmass(hjd, SITE_POSITIONS[site], ra, dec)
        assert np.all(ours[sin_altitude < 0] == MAX_AIRMASS)
        assert ours.min() >= 1.0


@pytest.mark.parametrize("dec", [-90.0, 90.0])
def test_the_poles_are_places_too(dec):
    ours = airmass(np.linspace(9000.0, 9001.0, 50), SITE_POSITIONS["CTIO"], 10.0, dec)
    expected = 1.0 / np.sin(np.radians(30.167)) if dec < 0 else MAX_AIRMASS
    np.testing.assert_allclose(ours, expected, rtol=0.01)


def test_absurd_times_give_numbers():
    ours = airmass(np.array([-1e30, 1e30, 0.0]), SITE_POSITIONS["SSO"], 268.0, -30.0)
    assert np.all((ours >= 1.0) & (ours <= MAX_AIRMASS))
