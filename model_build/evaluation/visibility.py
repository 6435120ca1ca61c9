"""Accuracy against how much of the alert a network has seen (Viaña et al. 2025, sec. 8.2, fig. 11).

Light curves end at t_break + v (t_cut - t_break) before anything else is done to them. What came later
reaches the inputs by one way only: t_break is what AlertFinder found with all of the light curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model_build.bootstrap import Estimate, Resampling, estimate, interval
from model_build.dataset import RUN_FILES
from model_build.evaluation.accuracy import binary_statistic, multiclass_statistic
from model_build.evaluation.run_cache import CACHE_VERSION, Arrays, over_runs
from model_build.evaluation.scoring import BundleRef, score_branches
from model_build.evaluation.splits import LABELLED
from model_build.metrics import NO
from model_build.progress import Progress
from model_build.training_set.crew import Crew
from model_build.training_set.crops import Crop, prepare_copies
from model_build.training_set.reader import TrainingSet
from model_build.training_set.split import SPLITS
from stream_worker.batching import Branches
from stream_worker.bundle import CLASSES, Bundle
from stream_worker.candidate import Candidate
from stream_worker.codec import read_candidates
from stream_worker.preprocessing import Prepared, PreprocessingOptions, TooFewObservations, standardise
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray

VISIBLE: Final = tuple(step / 10 for step in range(11))
MOST: Final = 600
"""Stars looked at of each split, drawn at random."""
_PERMUTATIONS: Final = 200


@dataclass(frozen=True, slots=True, eq=False)
class Visible:
    """Scores of one split at each visible part of the alert, float64 [n, 11] and [n, 11, 3]."""

    p_review: Float64Array
    class_probabilities: Float64Array
    labels: NDArray[np.int64]
    clusters: IntArray
    left_out: int

    @property
    def has_both_sides(self) -> bool:
        """Whether there are positive and negative ones."""
        return bool((self.labels == NO).any() and (self.labels != NO).any())


@dataclass(frozen=True, slots=True, eq=False)
class VisibilityCurve:
    """Accuracies at each of `VISIBLE`.

    Parameters
    ----------
    n, left_out
        Stars, and those left out because too little of them is there at some of `VISIBLE`.
    binary, multiclass
        Mean accuracies.
    of
        Accuracy of each class: of Yes and Maybe the share that passes, of No that which does not; under
        ``named_`` the share whose likeliest class is their own.
    shuffled_binary, shuffled_multiclass
        The same means with the labels dealt anew among the stars, again and again: chance.
    """

    n: int
    left_out: int
    binary: tuple[Estimate, ...]
    multiclass: tuple[Estimate, ...]
    of: Mapping[str, Float64Array]
    shuffled_binary: tuple[Estimate, ...]
    shuffled_multiclass: tuple[Estimate, ...]


def score_visible(
    training_set: TrainingSet, season: Path, bundle: Bundle, crew: Crew, cache: Path, progress: Progress
) -> dict[str, Visible]:
    """Score the examples of each split at each visible part. Blocks for minutes; kept as `score_season` does.

    Raises
    ------
    BadContainer
        If a run file can't be read.
    """
    places = {split: _some(training_set, split) for split in SPLITS}
    wanted = frozenset(
        name.decode() for chosen in places.values() for name in training_set.candidate_ids[chosen].tolist()
    )
    folder = cache / f"visible-{CACHE_VERSION}-{bundle.sha256[:16]}-{training_set.sha256[:16]}"
    work = partial(_score_run, bundle=BundleRef.of(bundle), wanted=wanted)
    runs = sorted(season.glob(RUN_FILES))
    found = over_runs(runs, work, folder, crew, "visible parts: run files scored", progress)
    place_of = {name: place for place, name in enumerate(found["candidate_id"].tolist())}
    return {split: _visible(training_set, chosen, found, place_of) for split, chosen in places.items()}


def visibility_curve(visible: Visible, threshold: float, seed: int) -> VisibilityCurve:
    """Accuracies and their chance level.

    Raises
    ------
    ValueError
        If there are no candidates of a side.
    """
    resampling, labels = Resampling(visible.clusters, seed), visible.labels
    passed = visible.p_review >= threshold
    predicted = visible.class_probabilities.argmax(axis=2)
    steps = range(len(VISIBLE))
    of = {
        name: np.mean(passed[labels == place] == (name != "no"), axis=0)
        if (labels == place).any()
        else _NOTHING
        for place, name in enumerate(CLASSES)
    }
    of |= {
        f"named_{name}": np.mean(predicted[labels == place] == place, axis=0)
        if (labels == place).any()
        else _NOTHING
        for place, name in enumerate(CLASSES)
    }
    dealt = [np.random.default_rng([seed, turn]).permutation(labels) for turn in range(_PERMUTATIONS)]
    return VisibilityCurve(
        n=int(labels.size),
        left_out=visible.left_out,
        binary=tuple(estimate(binary_statistic(resampling, passed[:, i], labels)[0]) for i in steps),
        multiclass=tuple(
            estimate(multiclass_statistic(resampling, predicted[:, i], labels)[0]) for i in steps
        ),
        of=of,
        shuffled_binary=tuple(_chance([_mean_binary(passed[:, i], one) for one in dealt]) for i in steps),
        shuffled_multiclass=tuple(
            _chance([_mean_classes(predicted[:, i], one) for one in dealt]) for i in steps
        ),
    )


def visible_parts(candidate: Candidate, options: PreprocessingOptions) -> list[Prepared] | None:
    """Prepare a candidate with each of `VISIBLE` of its alert; None if some has too few observations."""
    t_break, t_cut = candidate.alertfinder.t_break, candidate.alertfinder.t_cut
    crops = [Crop(-np.inf, t_break + part * (t_cut - t_break)) for part in VISIBLE]
    try:
        return prepare_copies(candidate, crops, options)
    except TooFewObservations:
        return None


_NOTHING: Final = np.full(len(VISIBLE), np.nan)


def _score_run(path: Path, *, bundle: BundleRef, wanted: frozenset[str]) -> Arrays:
    """Score the candidates wanted of one run file at each visible part, but those with too little."""
    scorer = bundle.open()
    ids: list[str] = []
    inputs: list[Branches] = []
    for candidate in read_candidates(path):
        if candidate.candidate_id not in wanted:
            continue
        if (parts := visible_parts(candidate, scorer.bundle.options)) is not None:
            ids.append(candidate.candidate_id)
            inputs += [standardise(part, scorer.bundle.standardisation) for part in parts]
    p_review, classes = score_branches(scorer, inputs)
    return {
        "candidate_id": np.array(ids, dtype="<U36"),
        "p_review": p_review.reshape(-1, len(VISIBLE)),
        "class_probabilities": classes.reshape(-1, len(VISIBLE), len(CLASSES)),
    }


def _some(training_set: TrainingSet, split: str) -> IntArray:
    places = training_set.places(split, LABELLED)
    return places[np.sort(np.random.default_rng(0).permutation(places.size)[:MOST])]


def _visible(
    training_set: TrainingSet, chosen: IntArray, found: dict[str, NDArray[Any]], place_of: dict[str, int]
) -> Visible:
    ids = [name.decode() for name in training_set.candidate_ids[chosen].tolist()]
    there: BoolArray = np.array([name in place_of for name in ids], dtype=bool)
    places = np.array([place_of[name] for name in ids if name in place_of], np.intp)
    return Visible(
        found["p_review"][places],
        found["class_probabilities"][places],
        training_set.labels[chosen][there],
        training_set.clusters[chosen][there],
        left_out=int((~there).sum()),
    )


def _mean_binary(passed: BoolArray, labels: NDArray[np.int64]) -> float:
    positive = labels != NO
    return float((passed[positive].mean() + (~passed[~positive]).mean()) / 2.0)


def _mean_classes(predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    return float(np.mean([(predicted[labels == place] == place).mean() for place in np.unique(labels)]))


def _chance(values: list[float]) -> Estimate:
    low, high = interval(np.array(values))
    return Estimate(float(np.mean(values)), float(low), float(high))
