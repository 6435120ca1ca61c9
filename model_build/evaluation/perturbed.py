"""What is lost where the survey's numbers are others: two seasons held against each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.bootstrap import Estimate, Resampling, estimate
from model_build.evaluation.accuracy import (
    Ceiling,
    binary_at_mix,
    ceiling,
    difference,
    multiclass_statistic,
)
from model_build.evaluation.labelled import SEED, DateFigures, date_figures
from model_build.evaluation.scored import Scored, ScoredSeason
from model_build.evaluation.thresholds import Thresholds
from model_build.metrics import NO
from model_build.season.neighbours import friends
from stream_worker.bundle import CLASSES
from stream_worker.preprocessing.light_curve import Float64Array, IntArray

MAYBE: Final = CLASSES.index("maybe")


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedFigures:
    """Of a season whose numbers were drawn anew.

    Parameters
    ----------
    at_mix
        Binary mean accuracy with as large a share of Maybes among the positives as in the season.
    fall, multiclass_fall
        The season's mean accuracies less ``at_mix`` and less that of three classes.
    common_stars
        Stars that are labelled in both; None where the seasons have different seeds: then they share
        nothing, and the intervals are those of independent samples.
    """

    season: ScoredSeason
    label: DateFigures
    ceiling: Ceiling
    at_mix: Estimate
    fall: Estimate
    multiclass_fall: Estimate
    common_stars: int | None


def perturbed_figures(
    season: ScoredSeason, perturbed: ScoredSeason, thresholds: Thresholds
) -> PerturbedFigures:
    """Compare a season with one whose numbers are wrong within their doubt; blocks for up to a minute.

    Of one seed they have the same events, artefacts and weather, but for what the numbers change. Stars of
    one cluster in either season are drawn together, so that what both have is paired.

    Raises
    ------
    ValueError
        If the perturbed season has no labelled stars.
    """
    here, there = (one.candidates.labelled("label") for one in (season, perturbed))
    of_one_seed = _seeds(season) == _seeds(perturbed)
    clusters = joint_clusters(here, there, paired=of_one_seed)
    both = Resampling(clusters, SEED)
    of_here, of_there = both.part(np.arange(len(here))), both.part(np.arange(len(here), len(clusters)))
    maybe_share = float(np.mean(here.labels[here.labels != NO] == MAYBE))

    def binary(resampling: Resampling, scored: Scored) -> Float64Array:
        return binary_at_mix(resampling, scored.p_review >= thresholds.chosen, scored.labels, maybe_share)

    def classes(resampling: Resampling, scored: Scored) -> Float64Array:
        predicted = scored.class_probabilities.argmax(axis=1)
        return multiclass_statistic(resampling, predicted, scored.labels)[0]

    at_mix = binary(of_there, there)
    return PerturbedFigures(
        season=perturbed,
        label=date_figures(perturbed, "label", thresholds),
        ceiling=ceiling(Resampling(there.clusters, SEED), there, thresholds.chosen, SEED),
        at_mix=estimate(at_mix),
        fall=difference(binary(of_here, here), at_mix),
        multiclass_fall=difference(classes(of_here, here), classes(of_there, there)),
        common_stars=len(_stars(here) & _stars(there)) if of_one_seed else None,
    )


def joint_clusters(here: Scored, there: Scored, *, paired: bool) -> IntArray:
    """Number the clusters of two seasons' candidates, those of ``here`` first, int [n_here + n_there].

    Where ``paired``, clusters of the two are one if they have a star or an artefact's parent in common.
    """
    own = np.concatenate([here.clusters, there.clusters])
    season = np.repeat((0, 1), (len(here), len(there)))
    _, cluster = np.unique(np.stack([season, own], axis=1), axis=0, return_inverse=True)
    if not paired:
        return np.asarray(cluster, np.intp)
    first: dict[tuple[str, str], int] = {}
    pairs = []
    for row, number in zip(here.rows + there.rows, cluster.tolist(), strict=True):
        names = [("star", row.star_id)] + ([] if row.parent is None else [("parent", row.parent)])
        pairs += [(first.setdefault(name, number), number) for name in names]
    return friends(int(cluster.max()) + 1, np.array(pairs, np.intp))[cluster]


def _seeds(season: ScoredSeason) -> tuple[int, int]:
    return season.record.season, season.record.seed


def _stars(scored: Scored) -> set[str]:
    return {row.star_id for row in scored.rows}
