from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
from astropy.time import Time
from astropy.utils import iers

from model_build.season.sky import Direction, Geometry, Place, compute_ephemeris, geometry, sky_level
from stream_worker.preprocessing import SITE_POSITIONS

CTIO = SITE_POSITIONS["CTIO"]
PLACES = {"CTIO": Place(CTIO.longitude, CTIO.latitude, 2153.0)}
BULGE = Direction(269.1, -29.2)


def jd(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp() / 86_400.0 + 2_440_587.5 - 2_450_000.0


@pytest.fixture(scope="module", autouse=True)
def _offline():
    """The tests' own calls of astropy stay offline too."""
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        yield


@pytest.fixture(scope="module")
def ephemeris():
    return compute_ephemeris(9380.0, 9392.0, PLACES, {"BLG02": BULGE})


@pytest.fixture(scope="module")
def times():
    return np.sort(np.random.default_rng(1).uniform(9380.0, 9392.0, 60))


def test_interpolated_altitudes_are_those_of_astropy(ephemeris, times):
    there = EarthLocation.from_geodetic(CTIO.longitude, CTIO.latitude, 2153.0)
    exact = Time(2_450_000.0, times, format="jd", scale="utc")
    horizon = AltAz(obstime=exact, location=there)
    found = geometry(ephemeris, "CTIO", "BLG02", BULGE, times)
    star = SkyCoord(BULGE.ra * u.deg, BULGE.dec * u.deg)
    for sine, body in (
        (found.sin_field, star),
        (found.sin_sun, get_body("sun", exact)),
        (found.sin_moon, get_body("moon", exact)),
    ):
        assert np.abs(sine - np.sin(body.transform_to(horizon).alt.rad)).max() < 2e-4
    up = found.sin_field > 0.5
    secz = horizon[up]
    expected = star.transform_to(AltAz(obstime=secz.obstime, location=there)).secz
    assert np.abs(1.0 / found.sin_field[up] - expected).max() < 5e-4


def test_the_heliocentric_correction_is_astropys_to_a_tenth_of_a_second(ephemeris, times):
    there = EarthLocation.from_geodetic(CTIO.longitude, CTIO.latitude, 2153.0)
    exact = Time(2_450_000.0, times, format="jd", scale="utc", location=there)
    star = SkyCoord(BULGE.ra * u.deg, BULGE.dec * u.deg)
    expected = exact.light_travel_time(star, kind="heliocentric").to_value("d")
    found = geometry(ephemeris, "CTIO", "BLG02", BULGE, times)
    assert np.abs(found.hjd - times - expected).max() * 86_400.0 < 0.1


def test_the_moon_covered_the_sun_and_stood_opposite():
    for when, illuminated in (((2021, 6, 10, 10, 43), 0.0), ((2021, 5, 26, 11, 19), 1.0)):
        moment = jd(*when)
        ephemeris = compute_ephemeris(moment - 0.2, moment + 0.2, PLACES, {"BLG02": BULGE})
        found = geometry(ephemeris, "CTIO", "BLG02", BULGE, np.array([moment]))
        assert found.illuminated[0] == pytest.approx(illuminated, abs=2e-4)


def test_separation_from_the_moon_is_astropys(ephemeris, times):
    exact = Time(2_450_000.0, times, format="jd", scale="utc")
    moon = get_body("moon", exact)
    ra, dec = moon.ra.rad, moon.dec.rad
    a, d = np.radians(BULGE.ra), np.radians(BULGE.dec)
    cosine = np.sin(dec) * np.sin(d) + np.cos(dec) * np.cos(d) * np.cos(ra - a)
    found = geometry(ephemeris, "CTIO", "BLG02", BULGE, times).separation_deg
    assert np.abs(found - np.degrees(np.arccos(cosine))).max() < 0.02


BLOCKED = """
import socket
def refuse(*args, **kwargs):
    raise AssertionError(f"network asked for: {args}")
class NoSocket(socket.socket):
    __init__ = refuse
socket.socket, socket.create_connection, socket.getaddrinfo = NoSocket, refuse, refuse
import numpy as np
from model_build.season.sky import Direction, Place, compute_ephemeris, geometry
for first in (9300.0, 13400.0):
    star, place = Direction(269.1, -29.2), Place(-70.8065, -30.167, 2153.0)
    ephemeris = compute_ephemeris(first, first + 1.0, {"CTIO": place}, {"BLG02": star})
    found = geometry(ephemeris, "CTIO", "BLG02", star, first + np.linspace(0.0, 1.0, 50))
    assert np.isfinite(found.hjd).all() and found.sin_field.max() > 0.99
print("done")
"""


def test_nothing_asks_for_the_network_not_even_beyond_the_packaged_tables(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCKED],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path), "PATH": ""},
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert not list(tmp_path.rglob("*.all"))


def night(n: int = 5, **columns) -> Geometry:
    values = {
        "sin_sun": -0.5,
        "sin_moon": 0.8,
        "sin_field": 0.9,
        "illuminated": 1.0,
        "separation_deg": 60.0,
        "hjd": 0.0,
    }
    return Geometry(**{name: np.broadcast_to(np.float64(x), n) for name, x in (values | columns).items()})


def test_without_moon_the_sky_is_dark_and_brightens_with_airmass(config):
    airmass = np.linspace(1.0, 2.0, 5)
    for moonless in (night(sin_moon=-0.1), night(illuminated=0.0)):
        level = sky_level(700.0, airmass, moonless, config.sky)
        assert level[0] == 700.0
        assert np.all(np.diff(level) > 0)


def test_the_sky_brightens_with_the_moon_and_towards_it_up_to_the_cap(config):
    one = np.ones(5)
    rising = np.linspace(0.0, 1.0, 5)
    for column in ("sin_moon", "illuminated"):
        level = sky_level(700.0, one, night(**{column: rising}), config.sky)
        assert level[0] == 700.0
        assert np.all(np.diff(level) > 0)
    near = sky_level(700.0, one, night(separation_deg=np.array([3.0, 8.0, 15.0, 40.0, 120.0])), config.sky)
    assert np.all(np.diff(near) < 0)
    capped = sky_level(700.0, one, night(separation_deg=0.0), replace(config.sky, cap=4.0))
    assert np.all(capped == 2800.0)
