from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.season import schedule as scheduling
from model_build.season.config import ConfigError
from model_build.season.generators import generator
from model_build.season.schedule import build_schedule, run_dates, season_span
from model_build.season.sky import geometry
from model_build.season.weather import autoregression, draw_nights, open_nights
from stream_worker.preprocessing import SITES

SEEDS = range(1, 11)
PAIRS = (("BLG01", "BLG41"), ("BLG02", "BLG42"), ("BLG03", "BLG43"))


@pytest.fixture(scope="module")
def seasons(config, season_cache):
    """Ten seeds of 2021."""
    return [build_schedule(config, 2021, seed, season_cache) for seed in SEEDS]


@pytest.fixture(scope="module")
def ephemeris(config, season_cache):
    return scheduling._ephemeris(config, *season_span(2021, config), season_cache)


def visible_hours(config, ephemeris, site, field, sun_below_deg):
    """(JD - 2450000 every five minutes, whether the field can be observed)."""
    jd = np.arange(*season_span(2021, config), 5.0 / 1440.0)
    where = geometry(ephemeris, site, field, scheduling._direction(config.fields[field]), jd)
    return jd, (where.sin_sun < np.sin(np.radians(sun_below_deg))) & (where.sin_field > 0.5)


def test_the_season_has_the_papers_120_runs_at_six_ut(config):
    dates = run_dates(2021, config)
    assert len(dates) == 120
    assert dates[0].run_id == "2021-04-12"  # 10 April was a Saturday
    assert dates[-1].run_id == "2021-09-24"
    by_id = {date.run_id: date.t_cut for date in dates}
    assert by_id["2021-05-10"] == 9344.75
    days = [datetime.fromisoformat(date.run_id).replace(tzinfo=UTC) for date in dates]
    assert {day.weekday() for day in days} == {0, 1, 2, 3, 4}
    assert [date.t_cut for date in dates] == [day.timestamp() / 86400 - 9412.5 + 0.25 for day in days]


def test_a_weekend_alone_has_no_runs(config):
    weekend = replace(config, cadence=replace(config.cadence, first_run="04-10", last_run="04-11"))
    with pytest.raises(ConfigError, match="04-10 to 04-11 2021 has no weekday"):
        run_dates(2021, weekend)


def test_seasons_span_the_same_calendar_days(config):
    assert season_span(2021, config) == (9264.5, 9515.5)
    assert season_span(2018, config) == (8168.5, 8419.5)
    assert season_span(2020, config)[1] - season_span(2020, config)[0] == 252.0


def test_hours_of_the_bulge_per_night(config, ephemeris):
    expected = {(3, 1): 2.1, (4, 12): 5.2, (6, 15): 9.4, (8, 15): 6.3, (9, 27): 3.2, (10, 26): 0.9}
    for site in SITES:
        jd, visible = visible_hours(config, ephemeris, site, "BLG02", -15.0)
        for (month, day), hours in expected.items():
            noon = datetime(2021, month, day, 12, tzinfo=UTC).timestamp() / 86400 - 9412.5
            near = np.abs(jd - noon) < 2.5
            assert visible[near].sum() / 12.0 / 5.0 == pytest.approx(hours, abs=0.4), (site, month)
        assert visible.sum() / 12.0 == pytest.approx(1440.0, abs=30.0)


def test_every_exposure_is_in_the_season_at_night_and_below_airmass_two(config, schedule, ephemeris):
    start, end = season_span(2021, config)
    for (site, field), table in schedule.tables.items():
        assert (table.site, table.field) == (site, field)
        assert np.all(np.diff(table.hjd) > 0)
        direction = scheduling._direction(config.fields[field])
        where = geometry(ephemeris, site, field, direction, table.hjd)
        where = geometry(ephemeris, site, field, direction, 2 * table.hjd - where.hjd)
        assert np.degrees(np.arcsin(where.sin_sun.max())) < -14.0 + 1e-3
        assert table.airmass.min() >= 1.0
        assert table.airmass.max() < 2.0
        assert np.abs(table.airmass * where.sin_field - 1.0).max() < 1e-4
        assert start - 0.006 <= table.hjd[0]
        assert table.hjd[-1] < end + 0.006
        columns = [table.fwhm, table.sky, table.airmass, table.transparency]
        assert all(column.dtype == np.float64 and column.shape == table.hjd.shape for column in columns)
        assert table.night.dtype == np.int32


def test_nights_do_not_run_into_one_another(schedule):
    for table in schedule.tables.values():
        gaps, same_night = np.diff(table.hjd), np.diff(table.night) == 0
        assert gaps[~same_night].min() > 0.5
        assert gaps[same_night].max(initial=0.0) < 0.5
        assert table.night[0] >= 0


@pytest.mark.parametrize("site", SITES)
def test_the_cadence_is_the_fields_with_one_exposure_in_ten_left_to_the_v_band(config, schedule, site):
    v_share, doubled = 1.0 / config.sites[site].v_band_every, []
    for name, field in config.fields.items():
        table = schedule.table(site, name)
        steps = np.diff(table.hjd)[np.diff(table.night) == 0] * 24 * field.cadence
        assert np.median(steps) == pytest.approx(1.0, abs=0.08)  # cut nights hold short steps only
        assert steps.min() > 1.0 - 2.0 * config.cadence.jitter_fraction - 0.01
        if field.cadence == 2.0:
            doubled.append((steps > 1.7) & (steps < 2.3))
    assert np.mean(np.concatenate(doubled)) == pytest.approx(v_share / (1.0 - v_share), abs=0.015)


def test_v_exposures_can_be_rarer(config, season_cache):
    sso = replace(config.sites["SSO"], v_band_every=20)
    other = build_schedule(replace(config, sites={**config.sites, "SSO": sso}), 2021, 1, season_cache).table(
        "SSO", "BLG01"
    )
    steps = np.diff(other.hjd)[np.diff(other.night) == 0] * 48.0
    assert np.mean((steps > 1.7) & (steps < 2.3)) == pytest.approx(1 / 19, abs=0.02)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_fields_of_a_pair_take_turns_four_times_an_hour(schedule, pair):
    first, second = (schedule.table("CTIO", name) for name in pair)
    merged = np.sort(np.concatenate([first.hjd, second.hjd]))
    steps = np.diff(merged) * 24.0
    assert np.median(steps[steps < 2.0]) == pytest.approx(0.25, abs=0.02)
    assert np.mean(steps[steps < 2.0] < 0.1) < 0.01


def test_where_two_pairs_meet_a_star_is_observed_eight_times_an_hour(schedule):
    tables = [schedule.table("CTIO", name) for pair in PAIRS[1:] for name in pair]
    hjd = np.sort(np.concatenate([table.hjd for table in tables]))
    night = np.concatenate([table.night for table in tables])
    longest = np.bincount(night).argmax()
    low, high = (edge(t.hjd[t.night == longest]) for edge, t in ((np.min, tables[0]), (np.max, tables[0])))
    count = np.sum((hjd >= low) & (hjd <= high))
    assert count / ((high - low) * 24.0) == pytest.approx(8.0 * 0.9, rel=0.08)


def test_ctio_takes_three_quarters_of_its_nominal_exposures(config, seasons, ephemeris):
    nominal = sum(
        visible_hours(config, ephemeris, "CTIO", name, -14.0)[1].sum() / 12.0 * 2.0 for name in PAIRS[0]
    )
    i_band = [sum(s.table("CTIO", name).hjd.size for name in PAIRS[0]) for s in seasons]
    taken = np.mean(i_band) / 0.9  # with the V-band exposures, as surveys count
    assert nominal == pytest.approx(6200.0, rel=0.08)
    assert taken == pytest.approx(4800.0, rel=0.10)
    assert taken / nominal == pytest.approx(0.77, abs=0.04)


def test_points_of_a_site_at_mid_season_are_as_many_as_in_the_survey(config, seasons):
    sizes = {
        cadence: np.mean(
            [s.table(site, name).until(9399.75).hjd.size for s in seasons for site in SITES for name in names]
        )
        for cadence in (0.2, 0.4, 1.0, 2.0)
        if (names := [name for name, field in config.fields.items() if field.cadence == cadence])
    }
    assert 80 < sizes[0.2] < 160  # 5, 50, 95 % of a survey of all four: 130, 419, 916
    assert 160 < sizes[0.4] < 300
    assert 400 < sizes[1.0] < 650
    assert 800 < sizes[2.0] < 1250


@pytest.mark.parametrize("site", SITES)
def test_weather_follows_the_open_fraction(config, seasons, ephemeris, site):
    expected = np.array(config.sites[site].open_fraction) * config.sites[site].open_factor
    every = visible_hours(config, ephemeris, site, "BLG01", -14.0)[1].sum() * 2.0 * 0.9 / 12.0
    shares = [s.table(site, "BLG01").hjd.size / every for s in seasons]
    assert np.mean(shares) == pytest.approx(np.minimum(expected, 1.0).mean(), abs=0.06)


def test_some_nights_are_cut_and_more_are_open_for_it(config):
    months = np.full(20_000, 6)
    weather = config.weather
    nights = draw_nights(config.sites["SSO"], weather, config.seeing, months, (1, "SSO", 2021))
    late, early = nights.opens > 0.0, nights.closes < 1.0
    assert not np.any(late & early)
    assert np.mean(late | early) == pytest.approx(weather.partial_fraction, abs=0.02)
    cuts = np.concatenate([nights.opens[late], nights.closes[early]])
    assert np.abs(cuts - 0.5).max() <= weather.partial_hours / 24.0
    expected = config.sites["SSO"].open_fraction[4] / (1.0 - 0.5 * weather.partial_fraction)
    assert nights.is_open.mean() == pytest.approx(expected, abs=0.02)


def test_a_site_that_is_always_open_has_whole_nights(config):
    always = replace(config.sites["SSO"], open_fraction=(1.0,) * 9)
    nights = draw_nights(always, config.weather, config.seeing, np.full(500, 6), (1, "SSO", 2021))
    assert nights.is_open.all()
    assert not nights.opens.any()
    assert nights.closes.min() == 1.0


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0.05, 0.95), persistence=st.floats(0.0, 0.8), seed=st.integers(0, 2**32))
def test_open_nights_are_a_stationary_chain(share, persistence, seed):
    chain = open_nights(np.full(40_000, share), persistence, np.random.default_rng(seed)).astype(float)
    error = np.sqrt(share * (1 - share) * (1 + persistence) / (1 - persistence) / chain.size)
    assert abs(chain.mean() - share) < 5.5 * error + 1e-3
    assert np.corrcoef(chain[:-1], chain[1:])[0, 1] == pytest.approx(persistence, abs=0.06)


@settings(max_examples=20, deadline=None)
@given(rho=st.floats(-0.9, 0.9), sigma=st.floats(0.01, 2.0), seed=st.integers(0, 2**32))
def test_nightly_seeing_is_stationary_with_its_correlation(rho, sigma, seed):
    series = autoregression(40_000, rho, sigma, np.random.default_rng(seed))
    assert series.std() == pytest.approx(sigma, rel=0.1)
    assert np.corrcoef(series[:-1], series[1:])[0, 1] == pytest.approx(rho, abs=0.04)
    first = [autoregression(2, rho, sigma, np.random.default_rng([seed, n]))[0] for n in range(400)]
    assert np.std(first) == pytest.approx(sigma, rel=0.25)


def test_clouds_take_light_on_some_open_nights(config):
    months = np.full(20_000, 6)
    nights = draw_nights(config.sites["CTIO"], config.weather, config.seeing, months, (1, "CTIO", 2021))
    assert np.mean(nights.transparency < 1.0) == pytest.approx(config.weather.cloudy_fraction, abs=0.02)
    assert nights.transparency.min() > 1.0 - config.weather.cloud_depth
    loss = 1.0 - nights.transparency[nights.transparency < 1.0]
    mean = 1.0 / (1.0 + config.weather.cloud_beta)  # of Beta(1, b)
    assert loss.mean() == pytest.approx(mean * config.weather.cloud_depth / 2.0, rel=0.1)
    assert np.median(nights.fwhm_factor) == pytest.approx(1.0, abs=0.02)
    expected = config.sites["CTIO"].open_fraction[4] * config.sites["CTIO"].open_factor
    whole = 1.0 - 0.5 * config.weather.partial_fraction
    assert nights.is_open.mean() == pytest.approx(expected / whole, abs=0.02)


def test_a_season_depends_on_its_seed_and_year_and_on_nothing_else(config, schedule, seasons, season_cache):
    def bare(seed, year, config):
        return build_schedule(config, year, seed, season_cache)

    again = bare(1, 2021, config).table("SSO", "BLG14")
    assert np.array_equal(again.sky, schedule.table("SSO", "BLG14").sky)
    other = seasons[1].table("SSO", "BLG14")
    assert other.hjd.size != again.hjd.size or not np.allclose(other.hjd, again.hjd)
    some = {name: config.fields[name] for name in ("BLG42", "BLG14", "BLG02")}
    pairs = (("BLG02", "BLG42"),)
    fewer = bare(1, 2021, replace(config, fields=some, cadence=replace(config.cadence, pairs=pairs)))
    for site in SITES:
        for name in some:
            for column in ("hjd", "night", "fwhm", "sky", "airmass", "transparency"):
                ours, whole = (getattr(s.table(site, name), column) for s in (fewer, schedule))
                assert np.array_equal(ours, whole), (site, name, column)


def test_fields_of_a_site_share_its_nights(schedule):
    one, other = schedule.table("SAAO", "BLG04"), schedule.table("SAAO", "BLG22")
    for night in np.intersect1d(one.night, other.night):
        both = [t.transparency[t.night == night] for t in (one, other)]
        assert np.unique(np.concatenate(both)).size == 1
    longest = set(range(80, 160))  # in winter each night open for long has an exposure of either
    assert len((set(one.night) ^ set(other.night)) & longest) <= 4


def test_the_cache_gives_the_same_schedule_and_survives_a_cut_off_file(
    config, season_cache, schedule, tmp_path
):
    for path in season_cache.glob("ephemeris-9264*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    build_schedule(config, 2021, 1, tmp_path)
    (saved,) = tmp_path.glob("schedule-2021-1-*.npz")
    whole = saved.read_bytes()
    cached = build_schedule(config, 2021, 1, tmp_path)
    saved.write_bytes(whole[: len(whole) // 2])
    repaired = build_schedule(config, 2021, 1, tmp_path)
    assert saved.read_bytes() == whole
    for key, table in schedule.tables.items():
        for found in (cached, repaired):
            for column in ("hjd", "night", "fwhm", "sky", "airmass", "transparency"):
                assert np.array_equal(getattr(found.tables[key], column), getattr(table, column))
    assert not list(tmp_path.glob("*.part"))


def test_another_configuration_or_seed_has_another_cache_file(config, season_cache, tmp_path):
    for path in season_cache.glob("ephemeris-9264*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    build_schedule(config, 2021, 1, tmp_path)
    build_schedule(config, 2021, 2, tmp_path)
    build_schedule(replace(config, seeing=replace(config.seeing, night_sigma=0.1)), 2021, 1, tmp_path)
    assert len(list(tmp_path.glob("schedule-2021-1-*.npz"))) == 2
    assert len(list(tmp_path.glob("schedule-2021-*.npz"))) == 3


def test_until_cuts_at_the_time_and_keeps_it(schedule):
    table = schedule.table("SSO", "BLG04")
    cut = table.until(float(table.hjd[100]))
    assert cut.hjd[-1] == table.hjd[100]
    assert cut.hjd.size == cut.fwhm.size == cut.night.size == 101
    assert (cut.site, cut.field) == ("SSO", "BLG04")
    with pytest.raises(KeyError):
        schedule.table("SSO", "BLG99")


def test_generators_are_named_after_what_they_draw():
    draws = {
        generator(1, "sky", "CTIO").random(),
        generator(1, "sky", "SSO").random(),
        generator(1, "seeing", "CTIO").random(),
        generator(2, "sky", "CTIO").random(),
        generator(1, "sky", "CTIO", 5).random(),
    }
    assert len(draws) == 5
    assert generator(1, "sky", "CTIO").random() in draws


def _pysis(path):
    """FWHM, sky and sec z of a pySIS file's usable rows, as photometry is used: [n, 3]."""
    rows = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    values = np.array([[row[2], *row[-3:]] for row in rows if row[-1][0].isdigit()], dtype=np.float64)
    error, fwhm = values[:, 0], values[:, 1]
    return values[(error > 0) & (error < 2000) & (fwhm > 0) & (fwhm < 10)][:, 1:]


def test_seeing_sky_and_airmass_are_those_of_real_files(config, season_cache, realdata):
    """KMT-2018-BLG-0002, field 14: quantiles of seven simulated seasons of 2018 against the real one."""
    seasons = [build_schedule(config, 2018, seed, season_cache) for seed in range(1, 8)]
    tolerance = {"fwhm": 0.18, "sky": 0.6, "airmass": 0.03}  # the Moon passes field 14 for hours only
    for site, letter in (("CTIO", "C"), ("SAAO", "S"), ("SSO", "A")):
        real = _pysis(realdata / "kmtnet" / "KMT-2018-BLG-0002" / f"KMT{letter}14_I.pysis")
        tables = [s.table(site, "BLG14") for s in seasons]
        for column, (name, allowed) in enumerate(tolerance.items()):
            simulated = np.concatenate([getattr(table, name) for table in tables])
            ours, theirs = (np.percentile(x, (5, 50, 95)) for x in (simulated, real[:, column]))
            assert np.abs(ours / theirs - 1.0).max() < allowed, (site, name, ours, theirs)
            assert abs(ours[1] / theirs[1] - 1.0) < 0.1, (site, name, ours, theirs)
