"""What ``model-build simulate --scale`` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from model_build.season.archive import write_archive
from model_build.season.config import load_config
from model_build.season.season import HereAlone, ProcessWorkers, Progress, Workers, live_season, set_bench
from model_build.season.work import Bench, SeasonPlan


@dataclass(frozen=True, slots=True)
class SeasonSize:
    """Shares of the survey's events and of everything else."""

    events: float
    false: float


NAMED_SIZES = {"ci": SeasonSize(0.02, 0.004), "paper": SeasonSize(1.0, 1 / 14)}
"""``paper`` is meant for the published label counts; the artefact mix behind it is not tuned yet."""


def simulate_to(
    directory: Path,
    *,
    season: int,
    size: SeasonSize,
    seed: int,
    workers: int,
    cache: Path | None,
    config_file: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """Simulate a season and write its archive; the summary is JSON-ready. Blocks for minutes.

    Raises
    ------
    ConfigError
        With every impossible number.
    """
    config = load_config(config_file)
    plan = SeasonPlan(config, season, seed, size.events, size.false, cache)
    bench = Bench(plan)
    with _workers(plan, bench, workers) as pool:
        lived = live_season(plan, bench, pool, progress)
        written = write_archive(lived, bench.observatory.scene, directory, pool, progress)
    return {
        "season": season,
        "seed": seed,
        "scale_events": size.events,
        "scale_false": size.false,
        "stars": len(lived.stars),
        "runs": len(lived.runs),
        "funnel_per_day": lived.funnel(),
        "labels": dict(sorted(Counter(star.label.value for star in lived.labelled).items())),
        "files": written.files,
        "candidates": written.candidates,
        "directory": str(directory),
    }


@contextmanager
def _workers(plan: SeasonPlan, bench: Bench, number: int) -> Iterator[Workers]:
    if number == 1:
        yield HereAlone(bench)
        return
    with get_context("spawn").Pool(number, set_bench, (plan,)) as pool:
        yield ProcessWorkers(pool)
