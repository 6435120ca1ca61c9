"""Networks trained for a few epochs on a subset, one after the other; what is done is not done again."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_build.baselines.comparison import Predictions
from model_build.evaluation.splits import LABELLED
from model_build.progress import Progress
from model_build.training.history import Epoch
from model_build.training.options import TrainingOptions
from model_build.training.run_folder import BEST_FILE, BadRun, Run, read_best, read_run
from model_build.training_set.reader import TrainingSet
from model_build.training_set.split import IntArray
from stream_worker.scoring import Scores

_SCORES_FILE: Final = "scores.npz"
_VERSION: Final = 1
"""Changes whenever the same options would give other scores."""


def subset(training_set: TrainingSet, limit: int, seed: int) -> IntArray:
    """Draw ``limit`` of the examples to train on, crops among them: the same for all short trainings."""
    places = training_set.places("train", "labelled", "crop")
    return np.sort(np.random.default_rng(seed).permutation(places)[:limit])


def train_and_score(
    name: str,
    training_set: TrainingSet,
    options: TrainingOptions,
    places: IntArray,
    seed: int,
    cache: Path,
    progress: Progress,
) -> Predictions:
    """Train a network, or go on with it, and score validation and test. Blocks for minutes.

    Raises
    ------
    BadRun
        If its checkpoint in the cache can't be read.
    """
    asked = Run(options, "both", seed, training_set.sha256).plain()
    folder = cache / f"{name}-{_digest({**asked, 'places': places.tolist()})}"
    if (known := _load(folder / _SCORES_FILE)) is not None:
        return known
    from model_build.training.fit import train

    def report(epoch: Epoch) -> None:
        progress(f"{name}: epochs", epoch.number, options.epochs)

    trained = train(training_set, folder, options, task="both", seed=seed, places=places, report=report)
    found = _scored(trained.model, training_set)
    _save(folder / _SCORES_FILE, found)
    return found


def score_run(run: Path, training_set: TrainingSet, cache: Path) -> Predictions:
    """Score validation and test with the best weights of a training run.

    Raises
    ------
    BadRun
        If the folder holds no run, one of another training set or of one task only, or weights of
        another network.
    """
    its = read_run(run)
    if its.training_set != training_set.sha256:
        raise BadRun(
            f"{run}: trained on a set of SHA-256 {its.training_set}, {training_set.path} has "
            f"{training_set.sha256}: another set"
        )
    if its.task != "both":
        raise BadRun(f"{run}: trained for the task {its.task}, expected both")
    weights = read_best(run)
    of_weights = hashlib.sha256((run / BEST_FILE).read_bytes()).hexdigest()
    folder = cache / f"run-{_digest({**its.plain(), 'weights': of_weights})}"
    if (known := _load(folder / _SCORES_FILE)) is not None:
        return known
    from model_build.network_bundle import network_from

    try:
        network = network_from(weights, its.options.network)
    except ValueError as error:
        raise BadRun(f"{run / BEST_FILE}: {error}") from error
    found = _scored(network.model, training_set)
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / _SCORES_FILE, found)
    return found


def _scored(model: Any, training_set: TrainingSet) -> Predictions:
    from model_build.training.fit import score_with_network

    validation, test = (
        score_with_network(model, training_set.examples(training_set.places(split, LABELLED)))
        for split in ("validation", "test")
    )
    return Predictions(validation, test)


def _digest(plain: dict[str, Any]) -> str:
    content = json.dumps({**plain, "version": _VERSION}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _load(path: Path) -> Predictions | None:
    """None where there is no file, or one that was spoilt."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            validation, test = (
                Scores(archive[f"{split}_p_review"], archive[f"{split}_class_probabilities"])
                for split in ("validation", "test")
            )
    except (FileNotFoundError, zipfile.BadZipFile, ValueError, KeyError, EOFError):
        return None
    return Predictions(validation, test)


def _save(path: Path, found: Predictions) -> None:
    """Write whole or not at all."""
    arrays = {
        f"{split}_{name}": getattr(scores, name)
        for split, scores in (("validation", found.validation), ("test", found.test))
        for name in ("p_review", "class_probabilities")
    }
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    part.replace(path)
