"""Which nights are open, how clear they are, and how good their seeing is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from model_build.season.config import MONTHS, SeeingConfig, SiteConfig, WeatherConfig
from model_build.season.generators import generator
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array

_FEBRUARY = 2


@dataclass(frozen=True, slots=True, eq=False)
class Nights:
    """What all fields of a site share, one value per night of the season.

    ``opens`` and ``closes`` are shares of the day from one local noon to the next: 0 and 1 for a whole
    night, some time about midnight where weather cuts it. ``transparency`` is in (0, 1], ``fwhm_factor``
    relative to the site's median.
    """

    is_open: BoolArray
    opens: Float64Array
    closes: Float64Array
    transparency: Float64Array
    fwhm_factor: Float64Array


def draw_nights(
    site: SiteConfig,
    weather: WeatherConfig,
    seeing: SeeingConfig,
    months: NDArray[np.int64],
    key: tuple[int, str, int],
) -> Nights:
    """Draw the nights of a site.

    ``months`` [nights] are calendar months, 1 to 12 (those outside the season take its first or last
    one's weather); ``key`` is the seed, the site's name and the season.
    """
    seed, name, season = key
    n = months.size
    fraction = np.array(site.open_fraction)[np.clip(months - _FEBRUARY, 0, MONTHS - 1)] * site.open_factor
    part = np.minimum(weather.partial_fraction, 2.0 * (1.0 - np.minimum(fraction, 1.0)))
    rng = generator(seed, "clouds", name, season)
    cloudy = rng.random(n) < weather.cloudy_fraction
    loss = rng.beta(1.0, weather.cloud_beta, n) * rng.uniform(0.0, weather.cloud_depth, n)
    opens, closes = _hours(part, weather.partial_hours, generator(seed, "hours", name, season))
    return Nights(
        is_open=open_nights(
            np.minimum(fraction / (1.0 - 0.5 * part), 1.0),
            weather.persistence,
            generator(seed, "open", name, season),
        ),
        opens=opens,
        closes=closes,
        transparency=np.where(cloudy, 1.0 - loss, 1.0),
        fwhm_factor=np.exp(
            autoregression(n, seeing.night_rho, seeing.night_sigma, generator(seed, "seeing", name, season))
        ),
    )


def _hours(part: Float64Array, hours: float, rng: np.random.Generator) -> tuple[Float64Array, Float64Array]:
    """Draw when nights open and close; a share ``part`` [n] of them is cut within ``hours`` of midnight."""
    is_part = rng.random(part.size) < part
    cut = 0.5 + rng.uniform(-hours, hours, part.size) / 24.0
    is_late = rng.random(part.size) < 0.5
    return np.where(is_part & is_late, cut, 0.0), np.where(is_part & ~is_late, cut, 1.0)


def open_nights(fraction: Float64Array, persistence: float, rng: np.random.Generator) -> BoolArray:
    """Two-state Markov chain: open with probability ``fraction`` [n], correlation ``persistence``."""
    chance = rng.random(fraction.size)
    is_open = np.empty(fraction.size, dtype=np.bool_)
    previous = float(fraction[0])
    for n, (p, u) in enumerate(zip(fraction, chance, strict=True)):
        is_open[n] = u < persistence * previous + (1.0 - persistence) * p
        previous = float(is_open[n])
    return is_open


def autoregression(n: int, rho: float, sigma: float, rng: np.random.Generator) -> Float64Array:
    """Stationary AR(1) of standard deviation ``sigma`` and lag-one correlation ``rho``, [n]."""
    shocks = rng.normal(0.0, sigma * np.sqrt(1.0 - rho**2), n)
    shocks[0] = rng.normal(0.0, sigma)
    return np.asarray(lfilter([1.0], [1.0, -rho], shocks), dtype=np.float64)
