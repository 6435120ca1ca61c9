"""All figures of a labelled season: accuracies, ceiling, curves, groups, calibration, both dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.bootstrap import Resampling
from model_build.evaluation.accuracy import (
    Accuracy,
    Ceiling,
    binary_accuracy,
    ceiling,
    multiclass_accuracy,
)
from model_build.evaluation.curves import Curves, curves
from model_build.evaluation.groups import Group, quantities, rates_by_group
from model_build.evaluation.probabilities import Honesty, honesty
from model_build.evaluation.scored import Date, Scored, ScoredSeason
from model_build.evaluation.stream_stars import GHOST
from model_build.evaluation.thresholds import Thresholds, p_event
from model_build.metrics import NO
from stream_worker.bundle import CLASSES, Manifest
from stream_worker.preprocessing.light_curve import Float64Array

SEED: Final = 1
"""Of all resamplings, so that what is counted on the same candidates is paired."""
YES: Final = CLASSES.index("yes")


@dataclass(frozen=True, slots=True, eq=False)
class DateFigures:
    """Of one candidate of each labelled star: accuracies at each threshold, by group, and without ghosts."""

    n: Mapping[str, int]
    clusters: int
    too_few_observations: int
    binary: Mapping[str, Accuracy]
    multiclass: Accuracy
    groups: Mapping[str, tuple[Group, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class SeasonFigures:
    """Of a labelled season.

    Parameters
    ----------
    label, first
        At the date of the label, and at that of the first listing.
    without_ghosts
        Binary accuracy at the chosen threshold, and multiclass, at the label's date, ghosts left out.
    ceiling
        Of the oracle at the label's date.
    review, yes
        Curves of p_review for Yes and Maybe, and of p_yes for Yes, at the label's date.
    probabilities
        Calibration at the label's date, of p_review, p_yes and, where the bundle has it, p_event.
    """

    label: DateFigures
    first: DateFigures | None
    without_ghosts: tuple[Accuracy, Accuracy]
    ceiling: Ceiling
    review: Curves
    yes: Curves | None
    probabilities: Mapping[str, Honesty]


def season_figures(season: ScoredSeason, manifest: Manifest, thresholds: Thresholds) -> SeasonFigures:
    """Evaluate all labelled stars of a season; blocks for up to a few minutes.

    Raises
    ------
    ValueError
        If the season lacks labelled stars of a side.
    """
    scored = season.candidates.labelled("label")
    resampling = Resampling(scored.clusters, SEED)
    review = scored.p_review, scored.labels != NO
    p_yes, is_yes = scored.class_probabilities[:, YES], scored.labels == YES
    plain = scored.where(scored.kinds != GHOST)
    of_plain = Resampling(plain.clusters, SEED)
    return SeasonFigures(
        label=date_figures(season, "label", thresholds),
        first=_at_first(season, thresholds),
        without_ghosts=(
            binary_accuracy(of_plain, plain, thresholds.chosen),
            multiclass_accuracy(of_plain, plain),
        ),
        ceiling=ceiling(resampling, scored, thresholds.chosen, SEED),
        review=curves(resampling, *review),
        yes=curves(resampling, p_yes, is_yes) if is_yes.any() and not is_yes.all() else None,
        probabilities={
            name: honesty(resampling, p, is_true)
            for name, (p, is_true) in _probabilities(scored, manifest).items()
        },
    )


def date_figures(season: ScoredSeason, date: Date, thresholds: Thresholds) -> DateFigures:
    """Accuracies and rates by group at one date; raises as `season_figures`."""
    scored = season.candidates.labelled(date)
    if not len(scored):
        raise ValueError(f"{season.directory} has no labelled stars")
    resampling = Resampling(scored.clusters, SEED)
    count = np.bincount(scored.labels, minlength=len(CLASSES)).tolist()
    return DateFigures(
        n=dict(zip(CLASSES, count, strict=True)),
        clusters=resampling.n_clusters,
        too_few_observations=int((scored.observations.sum(axis=1) == 0).sum()),
        binary={
            name: binary_accuracy(resampling, scored, threshold) for name, threshold in thresholds.of.items()
        },
        multiclass=multiclass_accuracy(resampling, scored),
        groups={
            quantity.title: rates_by_group(resampling, scored, quantity, thresholds.of)
            for quantity in quantities(scored, season.record)
        },
    )


def _at_first(season: ScoredSeason, thresholds: Thresholds) -> DateFigures | None:
    """None where the archive has the first listings of one side only, as some streams do."""
    first = season.candidates.labelled("first").labels == NO
    return None if first.all() or not first.any() else date_figures(season, "first", thresholds)


def _probabilities(scored: Scored, manifest: Manifest) -> dict[str, tuple[Float64Array, np.ndarray]]:
    p_yes, is_yes = scored.class_probabilities[:, YES], scored.labels == YES
    found = {"p_review": (scored.p_review, scored.labels != NO), "p_yes": (p_yes, is_yes)}
    calibrated = p_event(manifest, p_yes)
    return found if calibrated is None else found | {"p_event": (calibrated, is_yes)}
