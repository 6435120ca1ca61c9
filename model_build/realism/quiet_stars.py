"""Simulated quiet stars that stand in for real files: same site, cadence, brightness, season and columns."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_build.realism.real_files import RealFile, rows, usable
from model_build.season.config import SeasonConfig
from model_build.season.generators import generator
from model_build.season.observing import Observatory
from model_build.season.schedule import build_schedule
from model_build.season.stars import Scene, Star
from stream_worker.preprocessing import LightCurve
from stream_worker.preprocessing.light_curve import FloatArray

_CHIP: Final = "M"
_DAYS_PER_YEAR: Final = 365.25


@dataclass(frozen=True, slots=True, eq=False)
class QuietCurve:
    """A quiet star in one dataset.

    Parameters
    ----------
    event, name
        Of the real file, or of the one that a simulated star stands in for.
    season
        0 for the real one; simulated seasons, each with weather and stars of its own, count from 1.
    raw
        See `RealFile.raw`.
    start
        First quiet HJD - 2450000 of the real file: where this curve begins, too.
    curve
        Usable rows, ascending; float64 columns.
    """

    event: str
    name: str
    season: int
    raw: bool
    start: float
    curve: LightCurve


def real_quiet(files: Sequence[RealFile]) -> tuple[QuietCurve, ...]:
    """Return the quiet part of every file that has one."""
    found = []
    for file in files:
        quiet = file.quiet
        if quiet.hjd.size:
            found.append(QuietCurve(file.event, file.name, 0, file.raw, float(quiet.hjd[0]), quiet))
    return tuple(found)


def simulate_quiet(
    files: Sequence[RealFile],
    config: SeasonConfig,
    *,
    seasons: int,
    seed: int,
    year: int | None = None,
    cache: Path | None = None,
) -> tuple[QuietCurve, ...]:
    """Observe one star per event and season as its files were observed. Blocks for seconds a year.

    Parameters
    ----------
    files
        Those with quiet rows count.
    config
        Of the season simulator.
    seasons
        How many times the weather, the exposures and the stars are drawn anew.
    year
        Season to simulate; None: each file's own, so that the Moon and the nights are the same.
    cache
        Folder that keeps ephemerides; None computes them anew.
    """
    wanted = [file for file in files if file.quiet.hjd.size]
    with tempfile.TemporaryDirectory() as scratch:
        kept = cache or Path(scratch)
        return tuple(
            curve
            for one_year in sorted({file.year for file in wanted})
            for curve in _one_year(
                [file for file in wanted if file.year == one_year], config, seasons, seed, year, kept
            )
        )


def magnitude_sweep(
    config: SeasonConfig,
    magnitudes: Sequence[float],
    *,
    field: str,
    year: int,
    seasons: int,
    seed: int,
    cache: Path | None,
) -> Iterator[tuple[int, float, LightCurve]]:
    """Yield season, I magnitude and light curve of quiet stars at every site in one field."""
    few = _with_fields(config, {field})
    stars = [
        _star(n, i_base, config, {(site, field) for site in config.sites})
        for n, i_base in enumerate(magnitudes)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        for season in range(1, seasons + 1):
            observatory = _observatory(few, year, _seed(seed, season), tuple(stars), cache or Path(scratch))
            for star in stars:
                for curve in observatory.light_curves(star):
                    yield season, star.i_base, usable(curve)


def field_like(curve: LightCurve, config: SeasonConfig) -> str:
    """Return the configured field whose cadence is nearest to the curve's; its own if several are."""
    cadence = exposures_per_hour(curve.hjd)
    distance = {name: abs(np.log(field.cadence / cadence)) for name, field in config.fields.items()}
    least = min(distance.values())
    nearest = [name for name, value in distance.items() if np.isclose(value, least)]
    return curve.dataset if curve.dataset in nearest else nearest[0]


def exposures_per_hour(hjd: FloatArray) -> float:
    """Cadence within nights: one over the median step below half a day; one a day if there is none."""
    steps = np.diff(hjd)
    steps = steps[(steps > 0.0) & (steps < 0.5)]
    return float(1.0 / (24.0 * np.median(steps))) if steps.size else 1.0 / 24.0


def _one_year(
    files: Sequence[RealFile], config: SeasonConfig, seasons: int, seed: int, year: int | None, cache: Path
) -> Iterator[QuietCurve]:
    fields = {id(file): field_like(file.curve, config) for file in files}
    few = _with_fields(config, set(fields.values()))
    simulated_year = files[0].year if year is None else year
    shift = (simulated_year - files[0].year) * _DAYS_PER_YEAR
    stars = {
        event: _star(number, _magnitude(files, event), config, _datasets(files, event, fields))
        for number, event in enumerate(sorted({file.event for file in files}), 1)
    }
    for season in range(1, seasons + 1):
        observatory = _observatory(few, simulated_year, _seed(seed, season), tuple(stars.values()), cache)
        seen = {
            (event, curve.site, curve.dataset): usable(curve)
            for event, star in stars.items()
            for curve in observatory.light_curves(star)
        }
        for file in files:
            curve = seen[file.event, file.curve.site, fields[id(file)]]
            yield _like(file, replace(curve, hjd=curve.hjd - shift), season)


def _like(file: RealFile, curve: LightCurve, season: int) -> QuietCurve:
    """Cut a simulated curve to the quiet span of a real one, and leave out the columns that it lacks."""
    quiet = file.quiet
    start, end = float(quiet.hjd[0]), float(quiet.hjd[-1])
    chosen = (curve.hjd >= start) & (curve.hjd <= end)
    if file.peak is not None:
        chosen &= file.peak.quiet(curve.hjd)
    lacking: dict[str, Any] = {
        name: None for name in ("sky_background", "fwhm", "airmass") if getattr(quiet, name) is None
    }
    return QuietCurve(file.event, file.name, season, file.raw, start, rows(replace(curve, **lacking), chosen))


def _with_fields(config: SeasonConfig, names: set[str]) -> SeasonConfig:
    """Keep only some fields: the schedule of the others isn't needed."""
    pairs = tuple(pair for pair in config.cadence.pairs if set(pair) <= names)
    fields = {name: field for name, field in config.fields.items() if name in names}
    return replace(config, fields=fields, cadence=replace(config.cadence, pairs=pairs))


def _observatory(
    config: SeasonConfig, year: int, seed: int, stars: tuple[Star, ...], cache: Path
) -> Observatory:
    scene = Scene(season=year, seed=seed, misfit_max=1.0, stars=stars, parents={})
    return Observatory(config, build_schedule(config, year, seed, cache), scene)


def _seed(seed: int, season: int) -> int:
    return int(generator(seed, "realism", season).integers(2**31))


def _magnitude(files: Sequence[RealFile], event: str) -> float:
    return float(np.median([file.i_base for file in files if file.event == event]))


def _datasets(files: Sequence[RealFile], event: str, fields: dict[int, str]) -> set[tuple[str, str]]:
    return {(file.curve.site, fields[id(file)]) for file in files if file.event == event}


def _star(number: int, i_base: float, config: SeasonConfig, datasets: set[tuple[str, str]]) -> Star:
    """Return a star that nothing happens to, at the centre of its first field."""
    field = min(name for _, name in datasets)
    centre = config.fields[field]
    return Star(
        number=number, star_id=f"{field}{_CHIP}0000.{number:06d}", field=field, chip=_CHIP,
        x=0.0, y=0.0, ra=centre.ra, dec=centre.dec, i_base=i_base, typical_error=0.0, kind="quiet",
        parent=None, offset=(0.0, 0.0), response=(1.0, 1.0, 1.0), event=None, variable=None,
        datasets=tuple(sorted(datasets)), source=number,
    )  # fmt: skip
