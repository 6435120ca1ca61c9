"""All measurements of the realism report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_build.realism.events import read_detected
from model_build.realism.noise_curve import MAGNITUDES, NoiseCurve, real_noise, simulated_noise
from model_build.realism.quantities import Comparison, autocorrelation, compare
from model_build.realism.quiet_stars import magnitude_sweep, real_quiet, simulate_quiet
from model_build.realism.real_files import RealFile, read_folder
from model_build.realism.telling import FeatureTelling, Telling, tell_all, tell_by_feature
from model_build.realism.windows import cut_windows
from model_build.season.config import SeasonConfig
from stream_worker.preprocessing.light_curve import Float64Array

_SWEEP_SEASONS = 4
_SWEEP_YEAR = 2021


@dataclass(frozen=True, slots=True)
class RealismPlan:
    """What to compare.

    Parameters
    ----------
    real
        Folder of the public files: KMT_args.csv and one folder per event.
    config
        Of the season simulator.
    year
        Season to simulate; None: that of each file.
    seasons, seed
        How many times the simulated stars and their weather are drawn, and from which seed.
    cache
        Folder that keeps ephemerides.
    archive
        Season archive whose detected events are compared; None for none.
    """

    real: Path
    config: SeasonConfig
    year: int | None
    seasons: int
    seed: int
    cache: Path | None
    archive: Path | None


@dataclass(frozen=True, slots=True, eq=False)
class Realism:
    """What was measured; ``autocorrelations`` by (event, site, real), ``detected`` empty if no archive."""

    files: tuple[RealFile, ...]
    comparisons: tuple[Comparison, ...]
    autocorrelations: Mapping[tuple[str, str, bool], Float64Array]
    noise: tuple[NoiseCurve, ...]
    tellings: tuple[Telling, ...]
    features: tuple[FeatureTelling, ...]
    detected: Mapping[str, Float64Array]

    def summary(self) -> dict[str, Any]:
        """Return what a machine wants to read, JSON-ready."""
        return {
            "files": len(self.files),
            "quiet_files": sum(bool(file.quiet.hjd.size) for file in self.files),
            "tellings": [
                {
                    "windows": one.windows, "features": one.features, "grouping": one.grouping,
                    "real": one.real, "simulated": one.simulated,
                    "auc": one.auc, "low": one.low, "high": one.high, "controls": list(one.controls),
                }
                for one in self.tellings
            ],
            "telling_features": {one.name: one.auc for one in self.features if one.telling},
            "detected_events": int(self.detected["t_E"].size) if self.detected else None,
        }  # fmt: skip


def measure(plan: RealismPlan, say: Callable[[str], None]) -> Realism:
    """Compare simulated with real data; ``say`` hears of every step. Blocks for about a minute.

    Raises
    ------
    BadInput
        If a real file, the catalogue or the archive is missing or wrong.
    """
    detected = {} if plan.archive is None else read_detected(plan.archive)
    files = read_folder(plan.real)
    real = real_quiet(files)
    say(f"{len(files)} real files, {len(real)} with quiet rows; simulating {plan.seasons} seasons")
    simulated = simulate_quiet(
        files, plan.config, seasons=plan.seasons, seed=plan.seed, year=plan.year, cache=plan.cache
    )
    curves = (*real, *simulated)
    windows = cut_windows(curves)
    say(f"{len(windows)} windows; classifying")
    places = sorted({(curve.event, curve.curve.site) for curve in real})
    return Realism(
        files=files,
        comparisons=compare(curves, windows),
        autocorrelations={
            (event, site, is_real): autocorrelation(curves, event, site, real=is_real)
            for event, site in places
            for is_real in (True, False)
        },
        noise=(*_noise_of_simulated(plan), *real_noise(files)),
        tellings=tell_all(windows, plan.seed),
        features=tell_by_feature(windows, plan.seed),
        detected=detected,
    )


def _noise_of_simulated(plan: RealismPlan) -> tuple[NoiseCurve, ...]:
    """Noise of quiet stars of all magnitudes in the densest field."""
    fields = plan.config.fields
    field = max(fields, key=lambda name: fields[name].cadence)
    year = _SWEEP_YEAR if plan.year is None else plan.year
    return simulated_noise(
        magnitude_sweep(
            plan.config,
            MAGNITUDES,
            field=field,
            year=year,
            seasons=_SWEEP_SEASONS,
            seed=plan.seed,
            cache=plan.cache,
        )
    )
