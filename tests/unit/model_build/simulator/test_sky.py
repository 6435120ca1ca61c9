from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from model_build.simulator import sky
from model_build.simulator.schedule import julian_date


def jd(*when: int) -> np.ndarray:
    return np.array([julian_date(datetime(*when, tzinfo=UTC))])


def test_the_sun_is_at_its_solstice_and_equinox():
    solstice, _ = sky.sun(jd(2021, 6, 21, 3, 32))
    equinox, _ = sky.sun(jd(2021, 3, 20, 9, 37))
    assert solstice.dec[0] == pytest.approx(23.44, abs=0.02)
    assert solstice.ra[0] == pytest.approx(90.0, abs=0.05)
    assert equinox.dec[0] == pytest.approx(0.0, abs=0.02)


def test_the_sun_is_nearest_in_january_and_farthest_in_july():
    _, near = sky.sun(jd(2021, 1, 2, 14, 0))
    _, far = sky.sun(jd(2021, 7, 5, 22, 0))
    assert near[0] == pytest.approx(0.98326, abs=2e-4)
    assert far[0] == pytest.approx(1.01673, abs=2e-4)


@pytest.mark.parametrize(
    ("when", "separation"),
    [((2021, 5, 26, 11, 19), 180.0), ((2021, 6, 10, 10, 43), 0.0)],  # a lunar and a solar eclipse
)
def test_the_moon_is_where_the_eclipses_were(when, separation):
    moon, (sun, _) = sky.moon(jd(*when)), sky.sun(jd(*when))
    angle = np.degrees(np.arccos(sky.cos_separation(moon, sun)))[0]
    assert angle == pytest.approx(separation, abs=1.5)  # parallax and the formula's 0.3 deg


def test_a_star_culminates_at_the_zenith_distance_of_its_declination():
    times = jd(2021, 6, 15, 0, 0) + np.arange(0.0, 1.0, 1e-3)
    star = sky.SkyPosition(np.asarray(268.0), np.asarray(-29.0))
    altitude = sky.sin_altitude(times, -70.8065, -30.167, star)
    assert altitude.max() == pytest.approx(np.cos(np.radians(1.167)), abs=1e-5)
    transit = times[np.argmax(altitude)]
    assert (transit % 1.0) * 24 == pytest.approx(
        17.0, abs=0.3
    )  # 05 UT: the bulge at midnight in Chile in June


def test_light_reaches_the_sun_first_when_the_star_is_behind_it():
    star = sky.SkyPosition(np.asarray(266.5), np.asarray(-23.4))
    opposition, conjunction = jd(2021, 6, 18, 0, 0), jd(2021, 12, 18, 0, 0)
    assert (sky.heliocentric(opposition, star) - opposition)[0] == pytest.approx(0.005776 * 1.016, abs=2e-5)
    assert (sky.heliocentric(conjunction, star) - conjunction)[0] == pytest.approx(
        -0.005776 * 0.984, abs=2e-5
    )
