"""The configuration of a season: every number, from season.toml, and how it may be doubted."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from model_build.season import sections
from model_build.season.artefact_config import ArtefactConfig
from model_build.season.doubt import DoubtConfig, perturbed_table
from model_build.season.eventfinder import EventFinderConfig
from model_build.season.events import EventsConfig
from model_build.season.noise import SystematicsConfig
from model_build.season.photometry import PhotometryConfig
from model_build.season.review import ReviewConfig
from model_build.season.sections import Fraction, Limits, NonNegative, Positive
from model_build.season.variables import VariablesConfig
from model_build.season.vetting import VettingConfig
from stream_worker.alertfinder import DetectionConfig
from stream_worker.preprocessing import SITES

MONTHS = 9
"""Months of a bulge season, February to October."""
_LEAP_YEAR = 2020


class ConfigError(Exception):
    """The configuration is impossible; ``faults`` names every fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(f"{len(faults)} fault{'s' * (len(faults) > 1)}:\n" + "\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """Conditions of one site; its longitude and latitude are those of the preprocessing.

    Parameters
    ----------
    altitude_m
        Above sea level.
    open_fraction
        Usable over possible hours, one value per month from February to October.
    open_factor
        What `open_fraction` is multiplied by (and cut at 1).
    fwhm
        Median seeing at the zenith, px of 0.40 arcsec.
    dark_sky
        Sky level without Moon at the zenith, ADU.
    v_band_every
        One exposure in this many is V band and left out.
    """

    altitude_m: Annotated[float, Limits(-500.0, 9000.0)]
    open_fraction: tuple[Fraction, ...]
    open_factor: Positive
    fwhm: Positive
    dark_sky: Positive
    v_band_every: Annotated[int, Limits(2)]

    def faults(self) -> list[str]:
        """One value per month."""
        n = len(self.open_fraction)
        return [] if n == MONTHS else [f"open_fraction: {n} values, expected {MONTHS}, February to October"]


@dataclass(frozen=True, slots=True)
class FieldConfig:
    """Centre of a field (ICRS, degrees) and its exposures per hour."""

    ra: Annotated[float, Limits(0.0, 360.0)]
    dec: Annotated[float, Limits(-90.0, 90.0)]
    cadence: Positive


@dataclass(frozen=True, slots=True)
class CadenceConfig:
    """Season, runs, limits of visibility and rhythm of the exposures.

    Days are ``MM-DD``. ``season_start`` to ``season_end`` (first and last midnight UT) are observed,
    AlertFinder runs on weekdays from ``first_run`` to ``last_run`` at ``run_hour_ut``; observations
    need the Sun below ``sun_below_deg`` and a smaller sec z than ``max_airmass``. Exposures are moved
    by up to ``jitter_fraction`` of the step. ``pairs`` are fields that overlap almost whole.
    """

    season_start: str
    season_end: str
    first_run: str
    last_run: str
    run_hour_ut: Annotated[float, Limits(0.0, 24.0)]
    sun_below_deg: Annotated[float, Limits(-90.0, 0.0)]
    max_airmass: Annotated[float, Limits(1.0, 10.0, above_low=True)]
    jitter_fraction: Annotated[float, Limits(0.0, 0.45)]
    pairs: tuple[tuple[str, str], ...]

    def faults(self) -> list[str]:
        """Days are days and in order, no field is in two pairs."""
        days = {
            name: _day(getattr(self, name))
            for name in ("season_start", "season_end", "first_run", "last_run")
        }
        found = [
            f"{name}: {getattr(self, name)!r} is no day MM-DD" for name, day in days.items() if day is None
        ]
        for first, last, least in (("season_start", "season_end", 1), ("first_run", "last_run", 0)):
            start, end = days[first], days[last]
            if start is not None and end is not None and (end - start).days < least:
                values = f"{getattr(self, first)} to {getattr(self, last)}"
                found.append(f"{first}, {last}: {values} is an empty range of dates")
        paired = [name for pair in self.pairs for name in pair]
        twice = sorted({name for name in paired if paired.count(name) > 1})
        return found + [f"pairs: {name} is in more than one place" for name in twice]


@dataclass(frozen=True, slots=True)
class WeatherConfig:
    """Open nights as a Markov chain; some open nights are cloudy.

    ``persistence`` is the correlation of a night with the one before. Of the open nights
    ``partial_fraction`` begin late or end early, by a cut within ``partial_hours`` of local midnight: half
    a night is lost on average, so that more nights are open than hours. ``cloudy_fraction`` of them lose
    Beta(1, ``cloud_beta``) times U(0, ``cloud_depth``) of the light.
    """

    persistence: Annotated[float, Limits(0.0, 0.99)]
    partial_fraction: Fraction
    partial_hours: Annotated[float, Limits(0.0, 12.0)]
    cloudy_fraction: Fraction
    cloud_beta: Positive
    cloud_depth: Annotated[float, Limits(0.0, 0.95)]


@dataclass(frozen=True, slots=True)
class SeeingConfig:
    """FWHM about a site's median: nights as an AR(1) of its logarithm, frames with airmass and scatter."""

    night_rho: Annotated[float, Limits(-0.99, 0.99)]
    night_sigma: NonNegative
    frame_sigma: NonNegative
    airmass_power: NonNegative


@dataclass(frozen=True, slots=True)
class SkyConfig:
    """Sky over the site's dark level.

    X^``airmass_power`` times 1 + ``moon`` illuminated^2 sqrt(sin altitude of the Moon)
    (1 + ``moon_halo`` exp(-separation / ``halo_deg``)), at most ``cap``, with scatter by frame and by
    night.
    """

    airmass_power: NonNegative
    moon: NonNegative
    moon_halo: NonNegative
    halo_deg: Positive
    cap: Annotated[float, Limits(1.0)]
    frame_sigma: NonNegative
    night_sigma: NonNegative
    night_rho: Annotated[float, Limits(-0.99, 0.99)]


@dataclass(frozen=True, slots=True)
class SeasonConfig:
    """All sections; see each for its numbers and season.toml for where they come from."""

    sites: Mapping[str, SiteConfig]
    fields: Mapping[str, FieldConfig]
    cadence: CadenceConfig
    weather: WeatherConfig
    seeing: SeeingConfig
    sky: SkyConfig
    artefacts: ArtefactConfig
    detection: DetectionConfig
    vetting: VettingConfig
    doubt: DoubtConfig
    photometry: PhotometryConfig
    systematics: SystematicsConfig
    events: EventsConfig
    variables: VariablesConfig
    review: ReviewConfig
    event_finder: EventFinderConfig


def load_config(path: Path | None = None, changes: Mapping[str, Any] = MappingProxyType({})) -> SeasonConfig:
    """Read the packaged season.toml; ``changes`` and then a file at ``path`` replace the values they name.

    Raises
    ------
    ConfigError
        If the file can't be read, or with every value that is unknown, missing or impossible.
    """
    packaged = resources.files("model_build.season").joinpath("season.toml").read_text("utf-8")
    table = _merged(tomllib.loads(packaged), changes)
    if path is not None:
        table = _merged(table, _read_file(path))
    return _config(table)


def perturbed(config: SeasonConfig, seed: int) -> SeasonConfig:
    """Return ``config`` with every doubted number (its ``doubt`` section) drawn anew within its doubt."""
    return _config(perturbed_table(sections.as_table(config), config.doubt, seed))


def _config(table: Mapping[str, Any]) -> SeasonConfig:
    faults: list[str] = []
    config: SeasonConfig = sections.read(SeasonConfig, table, "", faults)
    faults += _name_faults(table)
    if config is not None:
        faults += config.doubt.unknown_paths(sections.as_table(config))
    if faults:
        raise ConfigError(faults)
    return config


def _name_faults(table: Mapping[str, Any]) -> list[str]:
    """Names that don't agree between sections, however wrong the sections are themselves."""
    sites, fields, cadence = (_table_or_empty(table.get(name)) for name in ("sites", "fields", "cadence"))
    known = ", ".join(SITES)
    found = [f"sites.{name}: unknown site, expected {known}" for name in sites if name not in SITES]
    found += [f"sites.{name}: missing" for name in SITES if name not in sites]
    found += [] if fields else ["fields: none"]
    pairs = cadence.get("pairs")
    for pair in pairs if isinstance(pairs, list | tuple) else ():
        names = [name for name in pair if isinstance(name, str)] if isinstance(pair, list | tuple) else []
        unknown = [name for name in names if name not in fields]
        found += [f"cadence.pairs: unknown field {name!r}" for name in unknown]
        rates = [_table_or_empty(fields.get(name)).get("cadence") for name in names]
        if not unknown and any(rate != rates[0] for rate in rates):
            found.append(f"cadence.pairs: {' and '.join(names)} differ in cadence")
    return found


def _table_or_empty(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([f"{path}: {error}"]) from error


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the values of ``changes``, table by table."""
    both = {name: value for name, value in changes.items() if name not in base}
    for name, value in base.items():
        new = changes.get(name, value)
        are_tables = isinstance(value, Mapping) and isinstance(new, Mapping)
        both[name] = _merged(value, new) if are_tables else new
    return both


def _day(text: str) -> date | None:
    """Day ``MM-DD`` of a leap year, None if there is no such day."""
    try:
        return date.fromisoformat(f"{_LEAP_YEAR}-{text}")
    except ValueError:
        return None
