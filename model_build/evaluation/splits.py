"""A training set's examples by split, as they are: confusion matrices and threshold sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model_build.bootstrap import Estimate, Resampling, estimate
from model_build.dataset import DatasetError
from model_build.evaluation.accuracy import binary_statistic, multiclass_statistic
from model_build.evaluation.scored import ScoredSeason
from model_build.evaluation.scoring import score_branches
from model_build.evaluation.sweep import Sweep, sweep_thresholds
from model_build.metrics import NO
from model_build.progress import Progress
from model_build.training_set.reader import TrainingSet
from model_build.training_set.split import SPLITS
from stream_worker.bundle import CLASSES, Bundle
from stream_worker.preprocessing.light_curve import Float64Array, IntArray
from stream_worker.scoring import Scorer

LABELLED: Final = "labelled"
"""Origin of the examples without augmentation, at their label's date."""
_AT_ONCE: Final = 1024


@dataclass(frozen=True, slots=True, eq=False)
class ScoredSplit:
    """Scores, labels (places in `CLASSES`) and clusters of a split's examples, without augmentation."""

    p_review: Float64Array
    class_probabilities: Float64Array
    labels: NDArray[np.int64]
    clusters: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class SplitFigures:
    """What fig. 12 and 13 of Viaña et al. 2025 show of one split.

    Parameters
    ----------
    binary
        By threshold: counts of truth (Yes with Maybe, No; rows) by decision (passed, turned down).
    binary_accuracy
        By threshold: mean accuracy.
    multiclass
        Counts of truth (rows, `CLASSES`) by likeliest class.
    multiclass_accuracy
        Mean accuracy.
    sweep
        Of all thresholds.
    """

    n: int
    binary: Mapping[str, NDArray[np.int64]]
    binary_accuracy: Mapping[str, Estimate]
    multiclass: NDArray[np.int64]
    multiclass_accuracy: Estimate
    sweep: Sweep


class OtherStandardisation(Exception):
    """A training set's arrays are standardised otherwise than the bundle's inputs."""


def score_set(
    training_set: TrainingSet, bundle: Bundle, scorer: Scorer, progress: Progress
) -> dict[str, ScoredSplit]:
    """Score a set's own arrays, by split. Blocks for about 2 ms per example.

    Raises
    ------
    OtherStandardisation
        As `require_made_for`.
    """
    require_made_for(training_set, bundle)
    total = sum(training_set.places(split, LABELLED).size for split in SPLITS)
    found, done = {}, 0
    for split in SPLITS:
        places = training_set.places(split, LABELLED)
        parts = []
        for start in range(0, places.size, _AT_ONCE):
            chunk = list(training_set.examples(places[start : start + _AT_ONCE]))
            parts.append(score_branches(scorer, chunk))
            done += len(chunk)
            progress("training set: examples scored", done, total)
        found[split] = ScoredSplit(
            np.concatenate([p for p, _ in parts]) if parts else np.empty(0),
            np.concatenate([c for _, c in parts]) if parts else np.empty((0, len(CLASSES))),
            training_set.labels[places],
            training_set.clusters[places],
        )
    return found


def is_made_for(training_set: TrainingSet, bundle: Bundle) -> bool:
    """Tell whether a set's arrays are the inputs that a bundle wants."""
    mine, its = training_set.standardisation, bundle.standardisation
    same = np.allclose(mine.mean, its.mean, rtol=1e-6) and np.allclose(mine.sd, its.sd, rtol=1e-6)
    return bool(same and training_set.options == bundle.options)


def require_made_for(training_set: TrainingSet, bundle: Bundle) -> None:
    """Refuse a set whose arrays are not the inputs that a bundle wants.

    Raises
    ------
    OtherStandardisation
        If they are not: then the archive of its season must be scored.
    """
    if not is_made_for(training_set, bundle):
        raise OtherStandardisation(
            f"{training_set.path}: its arrays are prepared for another network than {bundle.manifest.name} "
            f"{bundle.manifest.version}; with the season's archive they can be prepared anew"
        )


def splits_of_season(training_set: TrainingSet, season: ScoredSeason) -> dict[str, ScoredSplit]:
    """Take a set's examples from its scored season, by split.

    Raises
    ------
    DatasetError
        If the season lacks one.
    """
    place_of = {row.candidate_id.encode(): place for place, row in enumerate(season.candidates.rows)}
    found = {}
    for split in SPLITS:
        places = training_set.places(split, LABELLED)
        ids = training_set.candidate_ids[places].tolist()
        if lost := [name for name in ids if name not in place_of]:
            raise DatasetError(
                f"{season.directory} lacks {len(lost)} candidates of {training_set.path}, "
                f"e.g. {lost[0].decode()}"
            )
        there = np.array([place_of[name] for name in ids], np.intp)
        found[split] = ScoredSplit(
            season.candidates.p_review[there],
            season.candidates.class_probabilities[there],
            training_set.labels[places],
            training_set.clusters[places],
        )
    return found


def split_figures(scored: ScoredSplit, thresholds: Mapping[str, float], seed: int) -> SplitFigures:
    """Count decisions and sweep the threshold.

    Raises
    ------
    ValueError
        If the split has no candidates of a side.
    """
    resampling = Resampling(scored.clusters, seed)
    positive, predicted = scored.labels != NO, scored.class_probabilities.argmax(axis=1)
    binary, accuracy = {}, {}
    for name, threshold in thresholds.items():
        passed = scored.p_review >= threshold
        binary[name] = confusion((~positive).astype(np.int64), (~passed).astype(np.int64), 2)
        accuracy[name] = estimate(binary_statistic(resampling, passed, scored.labels)[0])
    return SplitFigures(
        n=int(scored.labels.size),
        binary=binary,
        binary_accuracy=accuracy,
        multiclass=confusion(scored.labels, predicted, len(CLASSES)),
        multiclass_accuracy=estimate(multiclass_statistic(resampling, predicted, scored.labels)[0]),
        sweep=sweep_thresholds(scored.p_review, scored.labels),
    )


def confusion(truth: NDArray[np.int64], said: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Count of each truth (rows) by what was said (columns), int64 [classes, classes]."""
    return np.bincount(truth * classes + said, minlength=classes**2).reshape(classes, classes)
