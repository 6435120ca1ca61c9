"""``season.json``: how a season was made and what became of it, in numbers; written last of all."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from model_build.season.labels import Appearance, Label, LabelledStar
from model_build.season.review import Stage1
from model_build.season.review_rates import review_rates
from model_build.season.season import Origin, RunReview, Season, origin
from model_build.season.sections import as_table
from model_build.season.sizes import Contents
from model_build.season.stars import Star
from model_build.season.vetting import Fate
from model_build.season.work import SeasonPlan

SUMMARY_FILE: Final = "season.json"
SEASON_VERSION: Final = 1
STAGES: Final = ("flagged", "kept", "new", "stage_1", "alerted")
"""Steps of the funnel, in order (Viaña et al. 2025, fig. 2)."""


class BadSummary(ValueError):
    """A file is no summary of a season of this version."""


def description(plan: SeasonPlan, perturbed: int | None, contents: Contents) -> dict[str, Any]:
    """Everything that a season's bytes depend on, as JSON has it."""
    described = {
        "season_version": SEASON_VERSION,
        "season": plan.season,
        "seed": plan.seed,
        "scale_events": plan.scale_events,
        "scale_false": plan.scale_false,
        "contents": contents.kind,
        "stream": asdict(contents),
        "perturbed": perturbed,
        "config": as_table(plan.config),
    }
    return dict(json.loads(json.dumps(described)))


def summarise(season: Season, written: Sequence[LabelledStar], candidates: int) -> dict[str, Any]:
    """Numbers of a finished season: `description` says how it came about."""
    reviewed = list(_judged(season))
    rates = review_rates(
        [star.kind for star, _ in reviewed],
        [verdict.passed for _, verdict in reviewed],
        [verdict.snr for _, verdict in reviewed],
    )
    return {
        "stars": len(season.stars),
        "runs": [_run(run, season.stars) for run in season.runs],
        "labels": {"found": _labels(season.labelled), "written": _labels(written)},
        "reviews": _without_nan(asdict(rates)),
        "candidates": candidates,
    }


def _judged(season: Season) -> Iterator[tuple[Star, Stage1]]:
    """Light-curve reviews that tell how often reviewers err: of an event its first, if before its peak."""
    seen: set[int] = set()
    for run in season.runs:
        for number, verdict in run.verdicts.items():
            star = season.stars[number]
            again = number in seen
            seen.add(number)
            if star.event is None or not (again or star.event.t_0 < run.run.t_cut):
                yield star, verdict


def funnel(summary: Mapping[str, Any]) -> dict[str, float]:
    """Daily means of the funnel's steps at the survey's scale, from a summary."""
    n = max(len(summary["runs"]), 1)
    return {
        stage: sum(
            sum(run[origin][stage] for run in summary["runs"]) / n / scale
            for origin, scale in (("event", summary["scale_events"]), ("other", summary["scale_false"]))
            if scale > 0.0
        )
        for stage in STAGES
    }


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Write the summary, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", "utf-8")
    part.replace(path)


def read_summary(path: Path) -> dict[str, Any]:
    """Return a summary.

    Raises
    ------
    BadSummary
        If the file is no JSON or of another version.
    FileNotFoundError
        If there is none.
    """
    try:
        summary = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadSummary(f"{path}: no JSON: {error}") from error
    version = summary.get("season_version") if isinstance(summary, dict) else None
    if version != SEASON_VERSION:
        raise BadSummary(f"{path}: season_version {version!r}, expected {SEASON_VERSION}")
    return dict(summary)


def _run(run: RunReview, stars: Mapping[int, Star]) -> dict[str, Any]:
    of: dict[Origin, list[Appearance]] = {"event": [], "other": []}
    for number, appearance in run.appearances.items():
        of[origin(stars[number])].append(appearance)
    return {
        "run_id": run.run.run_id,
        "t_cut": run.run.t_cut,
        **{which: _counts(run, which, seen) for which, seen in of.items()},
    }


def _counts(run: RunReview, which: Origin, seen: Sequence[Appearance]) -> dict[str, int]:
    fates = {fate.value: run.fates.get((which, fate), 0) for fate in Fate}
    return {
        "flagged": sum(fates.values()),
        **fates,
        "new": sum(appearance.new for appearance in seen),
        "stage_1": sum(appearance.passed for appearance in seen),
        "alerted": sum(appearance.alerted for appearance in seen),
    }


def _labels(stars: Sequence[LabelledStar]) -> dict[str, int]:
    count = Counter(star.label for star in stars)
    return {label.value: count[label] for label in Label}


def _without_nan(value: Any) -> Any:
    """None for NaN, which JSON has not, all the way down; keys become strings."""
    if isinstance(value, Mapping):
        return {str(name): _without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
