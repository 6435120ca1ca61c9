"""When each site observed each field in a season, and under which conditions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_build.season import schedule_cache
from model_build.season.config import ConfigError, FieldConfig, SeasonConfig
from model_build.season.epochs import EpochTable, Schedule
from model_build.season.generators import generator
from model_build.season.sky import Direction, Ephemeris, Place, compute_ephemeris, geometry, sky_level
from model_build.season.weather import Nights, autoregression, draw_nights
from stream_worker.alertfinder import RunDate
from stream_worker.preprocessing import SITE_POSITIONS
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array

__all__ = ["EpochTable", "RunDate", "Schedule", "build_schedule", "run_dates", "season_span"]

_UNIX_EPOCH_JD = 2_440_587.5 - 2_450_000.0
_SATURDAY = 5


@dataclass(frozen=True, slots=True, eq=False)
class _Site:
    """A site with its nights of one season; ``start`` and ``end`` are JD - 2450000."""

    name: str
    start: float
    end: float
    nights: Nights
    sky_factor: Float64Array

    def night(self, jd: Float64Array) -> NDArray[np.int32]:
        """Count local noons since the season's start."""
        turn = SITE_POSITIONS[self.name].longitude / 360.0
        return np.floor(jd - self.start + turn + 0.5).astype(np.int32)

    def is_open(self, jd: Float64Array) -> BoolArray:
        """Tell when the weather lets the site observe."""
        since_noon = jd - self.start + SITE_POSITIONS[self.name].longitude / 360.0 + 0.5
        night = since_noon.astype(np.int32)
        phase = since_noon - night
        nights = self.nights
        return np.asarray(
            nights.is_open[night] & (phase >= nights.opens[night]) & (phase < nights.closes[night])
        )


def run_dates(season: int, config: SeasonConfig) -> tuple[RunDate, ...]:
    """AlertFinder's runs of a season: weekdays at one hour (Viaña et al. 2025, sec. 3).

    Raises
    ------
    ConfigError
        If there is none.
    """
    cadence = config.cadence
    first, last = _day(season, cadence.first_run), _day(season, cadence.last_run)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    runs = tuple(
        RunDate(f"{day:%Y-%m-%d}", _jd(day) + cadence.run_hour_ut / 24.0)
        for day in days
        if day.weekday() < _SATURDAY
    )
    if not runs:
        span = f"{cadence.first_run} to {cadence.last_run} {season}"
        raise ConfigError([f"cadence.first_run, last_run: {span} has no weekday"])
    return runs


def season_span(season: int, config: SeasonConfig) -> tuple[float, float]:
    """First and last moment observed, JD - 2450000."""
    return _jd(_day(season, config.cadence.season_start)), _jd(_day(season, config.cadence.season_end))


def build_schedule(config: SeasonConfig, season: int, seed: int, cache: Path | None) -> Schedule:
    """Return the exposures of every site and field of a season.

    Parameters
    ----------
    config
        Its sections sites, fields, cadence, weather, seeing and sky are used.
    season : int
        Year.
    seed : int
        Of the whole season.
    cache : Path or None
        Folder that keeps ephemerides and schedules; None computes anew.
    """
    saved = schedule_cache.schedule_path(cache, config, season, seed)
    found = schedule_cache.load_schedule(saved, season)
    if found is not None:
        return found
    start, end = season_span(season, config)
    ephemeris = _ephemeris(config, start, end, cache)
    tables = {}
    for name in config.sites:
        site = _draw_site(name, config, season, seed)
        for field in config.fields:
            tables[name, field] = _table(site, field, config, ephemeris, (seed, name, season))
    schedule = Schedule(season, tables)
    schedule_cache.save_schedule(saved, schedule)
    return schedule


def _day(season: int, month_day: str) -> datetime:
    """Midnight UT of ``MM-DD``; 29 February of a common year is 1 March."""
    if month_day == "02-29":
        return datetime(season, 2, 28, tzinfo=UTC) + timedelta(days=1)
    return datetime.fromisoformat(f"{season}-{month_day}").replace(tzinfo=UTC)


def _jd(moment: datetime) -> float:
    return moment.timestamp() / 86_400.0 + _UNIX_EPOCH_JD


def _ephemeris(config: SeasonConfig, start: float, end: float, cache: Path | None) -> Ephemeris:
    places = {
        name: Place(SITE_POSITIONS[name].longitude, SITE_POSITIONS[name].latitude, site.altitude_m)
        for name, site in config.sites.items()
    }
    directions = {name: _direction(field) for name, field in config.fields.items()}
    saved = schedule_cache.ephemeris_path(cache, (start, end), places, directions)
    found = schedule_cache.load_ephemeris(saved)
    if found is None:
        found = compute_ephemeris(start, end, places, directions)
        schedule_cache.save_ephemeris(saved, found)
    return found


def _direction(field: FieldConfig) -> Direction:
    return Direction(field.ra, field.dec)


def _draw_site(name: str, config: SeasonConfig, season: int, seed: int) -> _Site:
    start, end = season_span(season, config)
    first = datetime.fromtimestamp((start - _UNIX_EPOCH_JD) * 86_400.0, tz=UTC)
    n_nights = int(np.ceil(end - start)) + 2
    months = np.array([(first + timedelta(days=n)).month for n in range(n_nights)])
    nights = draw_nights(config.sites[name], config.weather, config.seeing, months, (seed, name, season))
    glow = generator(seed, "sky", name, season)
    ln_sky = autoregression(n_nights, config.sky.night_rho, config.sky.night_sigma, glow)
    return _Site(name, start, end, nights, np.exp(ln_sky))


def _table(
    site: _Site, name: str, config: SeasonConfig, ephemeris: Ephemeris, key: tuple[int, str, int]
) -> EpochTable:
    direction = _direction(config.fields[name])
    jd = _exposures(site, name, config, key)
    jd = jd[site.is_open(jd)]
    where = geometry(ephemeris, site.name, name, direction, jd)
    dark = where.sin_sun < np.sin(np.radians(config.cadence.sun_below_deg))
    usable = dark & (where.sin_field > 1.0 / config.cadence.max_airmass)
    jd = jd[usable]
    where = where.at(usable)
    night, airmass = site.night(jd), 1.0 / where.sin_field
    rng = generator(key[0], "frames", *key[1:], name)
    blur, glow = np.exp(rng.normal(0.0, (config.seeing.frame_sigma, config.sky.frame_sigma), (jd.size, 2)).T)
    conditions = config.sites[site.name]
    return EpochTable(
        site=site.name,
        field=name,
        hjd=where.hjd,
        night=night,
        fwhm=conditions.fwhm * airmass**config.seeing.airmass_power * site.nights.fwhm_factor[night] * blur,
        sky=sky_level(conditions.dark_sky, airmass, where, config.sky) * site.sky_factor[night] * glow,
        airmass=airmass,
        transparency=site.nights.transparency[night],
    )


def _exposures(site: _Site, name: str, config: SeasonConfig, key: tuple[int, str, int]) -> Float64Array:
    """Times (JD - 2450000) of the I-band exposures if it were always night.

    Every night starts the sequence anew; a pair of fields starts together, half a step apart.
    """
    first, share = _place_in_pair(name, config.cadence.pairs)
    step = 1.0 / (24.0 * config.fields[name].cadence)
    starts = generator(key[0], "sequence", *key[1:], first).random(site.sky_factor.size)
    rng = generator(key[0], "exposures", *key[1:], name)
    number = np.arange(int((site.end - site.start) / step))
    jitter = config.cadence.jitter_fraction * rng.uniform(-1.0, 1.0, number.size)
    jd = site.start + (number + share + jitter) * step
    jd += starts[site.night(jd)] * step
    every = config.sites[site.name].v_band_every
    taken = (number % every != rng.integers(every)) & (jd >= site.start) & (jd < site.end)
    return np.asarray(jd[taken])


def _place_in_pair(name: str, pairs: tuple[tuple[str, str], ...]) -> tuple[str, float]:
    """Return the first field of the pair that ``name`` belongs to, and its share of a step."""
    for pair in pairs:
        if name in pair:
            return pair[0], 0.5 * pair.index(name)
    return name, 0.0
