"""When each site observed each field in a season, and under which conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_build.simulator import sky
from model_build.simulator.config import FIELDS, SITE_CONDITIONS, Field, SimulatorConfig, SiteConditions
from stream_worker.preprocessing import SITE_POSITIONS, SITES
from stream_worker.preprocessing.light_curve import Float64Array

_UNIX_EPOCH_JD = 2_440_587.5 - 2_450_000.0
_FEBRUARY = 2


@dataclass(frozen=True, slots=True, eq=False)
class Epochs:
    """I-band exposures of one field at one site, ascending in time; every array is [n].

    ``hjd`` is HJD - 2450000, ``sky_background`` ADU, ``fwhm`` px, ``transparency`` 0..1; ``night``
    counts from the season's first local noon.
    """

    site: str
    dataset: str
    hjd: Float64Array
    airmass: Float64Array
    sky_background: Float64Array
    fwhm: Float64Array
    transparency: Float64Array
    night: NDArray[np.int64]

    def until(self, t_cut: float) -> Epochs:
        """Return the exposures up to and at ``t_cut``."""
        n = int(np.searchsorted(self.hjd, t_cut, side="right"))
        return Epochs(
            self.site, self.dataset, self.hjd[:n], self.airmass[:n], self.sky_background[:n],
            self.fwhm[:n], self.transparency[:n], self.night[:n],
        )  # fmt: skip


class ScheduleKey(NamedTuple):
    """A site and one of its fields."""

    site: str
    field: str


@dataclass(frozen=True, slots=True, eq=False)
class _Nights:
    """What all fields of a site share, one value per night of the season."""

    open: NDArray[np.bool_]
    transparency: Float64Array
    ln_fwhm: Float64Array


def julian_date(moment: datetime) -> float:
    """JD - 2450000 of a UTC time."""
    return moment.timestamp() / 86_400.0 + _UNIX_EPOCH_JD


def utc(jd: float) -> datetime:
    """UTC time of JD - 2450000."""
    return datetime.fromtimestamp((jd - _UNIX_EPOCH_JD) * 86_400.0, tz=UTC)


def season_date(season: int, month_day: str) -> datetime:
    """UTC midnight of ``MM-DD`` in the season's year."""
    return datetime.fromisoformat(f"{season}-{month_day}").replace(tzinfo=UTC)


def run_dates(season: int, config: SimulatorConfig) -> Float64Array:
    """``t_cut`` of every AlertFinder run of the season, JD - 2450000: weekdays at one hour (sec. 3)."""
    first, last = season_date(season, config.first_run), season_date(season, config.last_run)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    weekdays = [day for day in days if day.weekday() < 5]
    return np.array([julian_date(day) + config.run_hour_ut / 24.0 for day in weekdays])


def make_schedules(
    season: int, config: SimulatorConfig, rng: np.random.Generator
) -> Mapping[ScheduleKey, Epochs]:
    """Return the schedule of every site and field of one season."""
    schedules = {}
    for site in SITES:
        nights = _draw_nights(season, SITE_CONDITIONS[site], config, rng)
        for name, survey_field in FIELDS.items():
            schedules[ScheduleKey(site, name)] = _schedule(
                site, name, survey_field, nights, season, config, rng
            )
    return schedules


def observed_dates(
    dates: Float64Array, schedules: Mapping[ScheduleKey, Epochs], max_age: float
) -> Float64Array:
    """Return the dates on which some site had observed each of its fields within ``max_age`` days.

    When all sites are clouded out for days, nothing can be flagged.
    """
    oldest = {site: np.zeros(dates.size) for site in SITES}
    for key, epochs in schedules.items():
        times = np.concatenate([[-np.inf], epochs.hjd])
        age = dates - times[np.searchsorted(epochs.hjd, dates, side="right")]
        oldest[key.site] = np.maximum(oldest[key.site], age)
    return np.asarray(dates[np.min(list(oldest.values()), axis=0) < max_age])


def _span(season: int, config: SimulatorConfig) -> tuple[float, float]:
    start, end = season_date(season, config.season_start), season_date(season, config.season_end)
    return julian_date(start), julian_date(end)


def _draw_nights(
    season: int, conditions: SiteConditions, config: SimulatorConfig, rng: np.random.Generator
) -> _Nights:
    start, end = _span(season, config)
    n_nights = int(end - start) + 2
    months = np.array([utc(start + n).month for n in range(n_nights)])
    fraction = np.array(conditions.open_fraction)[np.clip(months - _FEBRUARY, 0, None)]
    is_open = _open_nights(fraction, config.weather_persistence, rng)
    depth = rng.beta(config.cloud_alpha, config.cloud_beta, n_nights) * rng.uniform(
        0, config.cloud_depth, n_nights
    )
    cloudy = rng.random(n_nights) < config.cloudy_fraction
    return _Nights(is_open, np.where(cloudy, 1.0 - depth, 1.0), _seeing(n_nights, config, rng))


def _open_nights(fraction: Float64Array, persistence: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Markov chain: stationary probability ``fraction``, lag-one correlation ``persistence``."""
    chance = rng.random(fraction.size)
    is_open = np.empty(fraction.size, dtype=bool)
    previous = bool(chance[0] < fraction[0])
    for n, (p, u) in enumerate(zip(fraction, chance, strict=True)):
        previous = bool(u < persistence * previous + (1.0 - persistence) * p)
        is_open[n] = previous
    return is_open


def _seeing(n_nights: int, config: SimulatorConfig, rng: np.random.Generator) -> Float64Array:
    """Nightly deviation of ln FWHM, an AR(1)."""
    rho = config.fwhm_night_rho
    step = rng.normal(0.0, config.fwhm_night_sigma, n_nights)
    deviation = np.empty(n_nights)
    deviation[0] = step[0]
    for n in range(1, n_nights):
        deviation[n] = rho * deviation[n - 1] + np.sqrt(1.0 - rho**2) * step[n]
    return deviation


def _schedule(
    site: str, name: str, survey_field: Field, nights: _Nights, season: int,
    config: SimulatorConfig, rng: np.random.Generator,
) -> Epochs:  # fmt: skip
    start, end = _span(season, config)
    position = SITE_POSITIONS[site]
    star = sky.SkyPosition(np.asarray(survey_field.ra), np.asarray(survey_field.dec))
    jd = _exposures(start, end, survey_field.cadence, config, rng)
    night = np.floor(jd - start + position.longitude / 360.0 + 0.5).astype(np.int64)
    sun_position, _ = sky.sun(jd)
    sin_sun = sky.sin_altitude(jd, position.longitude, position.latitude, sun_position)
    sin_star = sky.sin_altitude(jd, position.longitude, position.latitude, star)
    usable = (sin_sun < np.sin(np.radians(config.sun_below_deg))) & (sin_star > 1.0 / config.max_airmass)
    usable &= nights.open[night]
    jd, night, airmass = jd[usable], night[usable], 1.0 / sin_star[usable]
    conditions = SITE_CONDITIONS[site]
    return Epochs(
        site=site,
        dataset=name,
        hjd=sky.heliocentric(jd, star),
        airmass=airmass,
        sky_background=_sky_background(jd, airmass, site, star, config, rng),
        fwhm=conditions.fwhm
        * airmass**config.fwhm_airmass_power
        * np.exp(nights.ln_fwhm[night] + rng.normal(0.0, config.fwhm_frame_sigma, jd.size)),
        transparency=nights.transparency[night],
        night=night,
    )


def _exposures(
    start: float, end: float, cadence: float, config: SimulatorConfig, rng: np.random.Generator
) -> Float64Array:
    """Times of the I-band exposures if it were always night: the V-band ones are left out."""
    step = 1.0 / (24.0 * cadence)
    number = np.arange(int((end - start) / step))
    jd = start + (number + rng.random() + rng.uniform(-config.jitter, config.jitter, number.size)) * step
    return np.asarray(jd[number % config.v_band_every != rng.integers(config.v_band_every)])


def _sky_background(
    jd: Float64Array, airmass: Float64Array, site: str, star: sky.SkyPosition,
    config: SimulatorConfig, rng: np.random.Generator,
) -> Float64Array:  # fmt: skip
    position = SITE_POSITIONS[site]
    moon, (sun, _) = sky.moon(jd), sky.sun(jd)
    illuminated = (1.0 - sky.cos_separation(moon, sun)) / 2.0
    sin_moon = np.clip(sky.sin_altitude(jd, position.longitude, position.latitude, moon), 0.0, None)
    separation = np.degrees(np.arccos(np.clip(sky.cos_separation(moon, star), -1.0, 1.0)))
    glow = 1.0 + config.moon_scattering * np.exp(-separation / config.moon_scale_deg)
    brightening = 1.0 + config.moon_sky * illuminated**2 * np.sqrt(sin_moon) * glow
    scatter = np.exp(rng.normal(0.0, config.sky_sigma, jd.size))
    dark = SITE_CONDITIONS[site].dark_sky
    return np.asarray(dark * np.sqrt(airmass) * np.minimum(brightening, config.sky_cap) * scatter)
