from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from model_build.simulator import sky
from model_build.simulator.config import FIELDS, SITE_CONDITIONS, SimulatorConfig
from model_build.simulator.schedule import (
    ScheduleKey,
    julian_date,
    make_schedules,
    observed_dates,
    run_dates,
    utc,
)
from stream_worker.preprocessing import SITE_POSITIONS, SITES

CONFIG = SimulatorConfig()


@pytest.fixture(scope="module")
def schedules():
    return make_schedules(2021, CONFIG, np.random.default_rng(1))


def test_the_season_has_the_papers_120_runs_at_six_ut():
    dates = run_dates(2021, CONFIG)
    assert dates.size == 120
    assert dates[0] == julian_date(datetime(2021, 4, 12, 6, tzinfo=UTC))  # 10 April was a Saturday
    assert julian_date(datetime(2021, 5, 10, 6, tzinfo=UTC)) == 9344.75
    assert 9344.75 in dates
    assert {utc(date).weekday() for date in dates} == {0, 1, 2, 3, 4}


def test_every_exposure_is_ascending_at_night_and_within_airmass_two(schedules):
    for key, epochs in schedules.items():
        assert np.all(np.diff(epochs.hjd) > 0), key
        assert epochs.airmass.min() >= 1.0
        assert epochs.airmass.max() < CONFIG.max_airmass
        position = SITE_POSITIONS[key.site]
        jd = (
            epochs.hjd - 0.0
        )  # HJD and JD differ by at most 0.006 d: half a degree of solar altitude a few minutes
        altitude = np.degrees(
            np.arcsin(sky.sin_altitude(jd, position.longitude, position.latitude, sky.sun(jd)[0]))
        )
        assert altitude.max() < CONFIG.sun_below_deg + 2.0


def test_nights_do_not_run_into_one_another(schedules):
    for epochs in schedules.values():
        gaps = np.diff(epochs.hjd)
        same_night = np.diff(epochs.night) == 0
        assert gaps[~same_night].min() > 0.5
        assert gaps[same_night].max() < 0.5


@pytest.mark.parametrize("site", SITES)
def test_the_cadence_is_the_fields_with_one_exposure_in_ten_left_to_the_v_band(schedules, site):
    for name, survey_field in FIELDS.items():
        epochs = schedules[ScheduleKey(site, name)]
        steps = np.diff(epochs.hjd)[np.diff(epochs.night) == 0] * 24 * survey_field.cadence
        assert np.median(steps) == pytest.approx(1.0, abs=0.05)
        assert steps.min() > 1.0 - 2.5 * CONFIG.jitter
        if survey_field.cadence >= 1.0:
            assert np.mean((steps > 1.7) & (steps < 2.3)) == pytest.approx(1 / 9, abs=0.04)


def test_a_season_has_about_as_many_points_as_the_survey_takes(schedules):
    prime = (
        schedules[ScheduleKey("CTIO", "BLG02")].hjd.size + schedules[ScheduleKey("CTIO", "BLG42")].hjd.size
    )
    assert 2800 < prime < 5200
    slow = schedules[ScheduleKey("SSO", "BLG12")].hjd.size
    assert 60 < slow < 260


def test_weather_follows_the_open_fraction():
    rng = np.random.default_rng(2)
    seasons = [make_schedules(2021, CONFIG, rng) for _ in range(8)]
    for site in SITES:
        nights = [np.unique(season[ScheduleKey(site, "BLG04")].night).size for season in seasons]
        expected = np.mean(SITE_CONDITIONS[site].open_fraction)
        assert np.mean(nights) / 245 == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("site", SITES)
def test_conditions_are_those_of_the_site(schedules, site):
    epochs = [schedules[ScheduleKey(site, name)] for name in FIELDS]
    fwhm = np.concatenate([e.fwhm for e in epochs])
    background = np.concatenate([e.sky_background for e in epochs])
    low, middle, high = np.percentile(fwhm, (5, 50, 95))
    assert middle == pytest.approx(SITE_CONDITIONS[site].fwhm, rel=0.25)
    assert low > 0.5 * middle
    assert high < 2.2 * middle
    dark = SITE_CONDITIONS[site].dark_sky
    assert 0.8 * dark < np.percentile(background, 5)
    assert 2.0 * dark < np.percentile(background, 97) < CONFIG.sky_cap * dark * 1.7


def test_moonlight_brightens_the_sky_at_full_moon(schedules):
    epochs = schedules[ScheduleKey("CTIO", "BLG02")]
    moon = sky.moon(epochs.hjd)
    phase = (1 - sky.cos_separation(moon, sky.sun(epochs.hjd)[0])) / 2
    position = SITE_POSITIONS["CTIO"]
    up = sky.sin_altitude(epochs.hjd, position.longitude, position.latitude, moon) > 0.3
    full, new = epochs.sky_background[up & (phase > 0.9)], epochs.sky_background[~up & (phase < 0.1)]
    assert np.median(full) > 2.5 * np.median(new)


def test_no_candidate_is_looked_for_while_all_sites_are_clouded_out():
    schedules = make_schedules(2021, CONFIG, np.random.default_rng([2, 2021]))
    dates = run_dates(2021, CONFIG)
    observed = observed_dates(dates, schedules, CONFIG.max_age_d)
    assert 100 < observed.size < dates.size
    for date in dates:
        ages = dict.fromkeys(SITES, 0.0)
        for key, epochs in schedules.items():
            before = epochs.hjd[epochs.hjd <= date]
            ages[key.site] = max(ages[key.site], date - before[-1] if before.size else np.inf)
        assert (date in observed) == (min(ages.values()) < CONFIG.max_age_d)


def test_until_cuts_at_the_time_and_keeps_it():
    epochs = make_schedules(2021, CONFIG, np.random.default_rng(3))[ScheduleKey("SSO", "BLG04")]
    t_cut = float(epochs.hjd[100])
    cut = epochs.until(t_cut)
    assert cut.hjd[-1] == t_cut
    assert cut.hjd.size == cut.fwhm.size == cut.night.size == 101
