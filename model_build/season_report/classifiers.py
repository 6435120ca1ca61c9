"""How well simple classifiers do on the labels of a season, and how well anything could."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from model_build.progress import Progress
from model_build.season.ceiling import Score, cross_validated, score, truth_features
from model_build.season_report.bootstrap import Intervals, balanced_intervals
from model_build.season_report.look import LABELS
from model_build.season_report.measures import Features
from stream_worker.preprocessing.light_curve import Float64Array
from stream_worker.report_page import Section, paragraph, table

CHANCE: Final = (0.5, 1.0 / 3.0)
TOLERANCE: Final = 0.05
"""Date and counts are near chance if the intervals begin no more than this above it."""
_SEED: Final = 1
INPUTS: Final[dict[str, tuple[str, Callable[[Features], Float64Array]]]] = {
    "classical": ("classical features of the light curves", lambda features: features.classical),
    "auxiliary": ("features of the auxiliary series", lambda features: features.auxiliary),
    "date_and_counts": ("date and numbers of observations", lambda features: features.date_and_counts),
    "oracle": ("hidden truth up to t_cut (ceiling)", lambda features: truth_features(features.rows)),
}


@dataclass(frozen=True, slots=True)
class Result:
    """Of one classifier; ``near_chance`` tells whether both intervals reach down to near chance."""

    score: Score
    intervals: Intervals

    @property
    def near_chance(self) -> bool:
        """Whether nothing says that it does better than chance by more than `TOLERANCE`."""
        lows = (self.intervals.two_class[0], self.intervals.three_class[0])
        return all(low <= chance + TOLERANCE for low, chance in zip(lows, CHANCE, strict=True))


@dataclass(frozen=True, slots=True)
class Classifiers:
    """Results by name; none, and the reason in ``fault``, where the set is too small to tell."""

    n: int
    results: dict[str, Result]
    fault: str | None = None

    def numbers(self) -> dict[str, Any]:
        """All results, JSON-ready."""
        if self.fault is not None:
            return {"n": self.n, "fault": self.fault}
        found = {
            name: {
                "two_class_balanced": result.score.two_class_balanced,
                "two_class_interval": result.intervals.two_class,
                "three_class_balanced": result.score.three_class_balanced,
                "three_class_interval": result.intervals.three_class,
                "recall": dict(result.score.recall),
            }
            for name, result in self.results.items()
        }
        return {
            "n": self.n,
            **found,
            "date_and_counts_near_chance": self.results["date_and_counts"].near_chance,
        }


def run_classifiers(features: Features | None, progress: Progress) -> Classifiers:
    """Train and cross-validate all of them by cluster; blocks for minutes on thousands of stars."""
    if features is None:
        return Classifiers(0, {}, "the archive has no labelled candidates")
    labels = [row.label or "" for row in features.rows]
    clusters = np.array([row.cluster for row in features.rows], dtype=np.intp)
    results: dict[str, Result] = {}
    for done, (name, (_, inputs)) in enumerate(INPUTS.items()):
        progress("classifiers trained", done, len(INPUTS))
        try:
            probability = cross_validated(inputs(features), labels, clusters, _SEED)
        except ValueError as error:
            return Classifiers(len(labels), {}, str(error))
        intervals = balanced_intervals(probability, labels, clusters, _SEED)
        results[name] = Result(score(probability, labels), intervals)
    progress("classifiers trained", len(INPUTS), len(INPUTS))
    return Classifiers(len(labels), results)


def classifier_section(classifiers: Classifiers) -> Section:
    """A table of balanced accuracies, and a warning where date and counts tell the classes apart."""
    lead = (
        f"Gradient boosting on {classifiers.n:,} labelled candidates in five-fold cross-validation, clusters "
        "of stars never torn apart; balanced accuracies with 95 % intervals from resampled clusters. Two "
        "classes are Yes and Maybe against No. Absolute values follow from how the labels were made; the "
        "ceiling is what knowing everything but the reviewers' errors gives."
    )
    if classifiers.fault is not None:
        return Section("Simple classifiers", lead, paragraph(f"Not trained: {classifiers.fault}."))
    rows = [
        [
            title,
            _accuracy(result.score.two_class_balanced, result.intervals.two_class),
            _accuracy(result.score.three_class_balanced, result.intervals.three_class),
            *(result.score.recall[label] for label in LABELS),
        ]
        for (title, _), result in zip(INPUTS.values(), classifiers.results.values(), strict=True)
    ]
    columns = [
        "input",
        "two classes",
        "three classes",
        *(f"recall of {label.capitalize()}" for label in LABELS),
    ]
    if classifiers.results["date_and_counts"].near_chance:
        verdict = "Date and numbers of observations say next to nothing of the class, as they must."
    else:
        verdict = (
            "WARNING: date and numbers of observations tell the classes apart: an interval begins more than "
            f"{TOLERANCE} above chance ({CHANCE[0]} and {CHANCE[1]:.3f})."
        )
    return Section("Simple classifiers", lead, table(columns, rows) + paragraph(verdict))


def _accuracy(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"
