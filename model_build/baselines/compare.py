"""All baselines of a training set, one after the other: figures as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_build.baselines.catalogue import (
    ON_FEATURES,
    SHORT_TRAININGS,
    THREE_BRANCHES,
    OnFeatures,
    short_options,
)
from model_build.baselines.comparison import Measured, Predictions, held_out, lead, measure
from model_build.baselines.features import Features, features_by_split, require_season
from model_build.baselines.numbers import VERSION, VERSION_NAME
from model_build.baselines.shipped import score_bundle
from model_build.baselines.trainings import score_run, subset, train_and_score
from model_build.bootstrap import Resampling
from model_build.evaluation.doubts import stranger_doubts
from model_build.evaluation.splits import LABELLED
from model_build.progress import Progress
from model_build.training.options import plain_values
from model_build.training_set.crew import Crew
from model_build.training_set.reader import TrainingSet
from model_build.training_set.split import SPLITS
from stream_worker.bundle import Bundle
from stream_worker.preprocessing.light_curve import Float64Array

SEED: Final = 1
"""Of the draws."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is compared.

    Parameters
    ----------
    names
        Of `model_build.baselines.catalogue.NAMES`.
    season
        Of which the training set was made; only baselines on features need it.
    run
        Folder of a training run on the set: its network is compared.
    bundle
        Or the network of a bundle.
    limit, epochs
        Of the short trainings.
    seed
        Of classifiers, subset and short trainings.
    """

    names: tuple[str, ...]
    season: Path | None
    run: Path | None
    bundle: Bundle | None
    limit: int
    epochs: int
    seed: int


def compare(
    training_set: TrainingSet, asked: Asked, crew: Crew, cache: Path, progress: Progress
) -> dict[str, Any]:
    """Train and measure the baselines asked for; kept in ``cache``. Blocks for minutes to hours.

    Raises
    ------
    DatasetError
        If the season is another than the set's, or baselines on features have none.
    BadRun
        If the run can't be held against them.
    OtherStandardisation
        If the set is prepared for another network than the bundle's, and there is no season.
    ValueError
        If a split lacks stars of a class.
    """
    held = held_out(training_set)
    resampling = Resampling(held.clusters, SEED)
    network = _network(training_set, asked, crew, cache, progress)
    run = None if network is None else measure(network, held, resampling)
    predictions = _on_features(training_set, asked, crew, cache, progress)
    predictions |= _short_trainings(training_set, asked, cache, progress)
    found = {name: measure(its, held, resampling) for name, its in predictions.items()}
    short = found.get(THREE_BRANCHES)
    told = training_set.path, training_set.sha256
    return {
        VERSION_NAME: VERSION,
        "training_set": training_set.sha256,
        "seed": asked.seed,
        "n": {split: int(training_set.places(split, LABELLED).size) for split in SPLITS},
        "clusters": resampling.n_clusters,
        "doubts": [] if asked.bundle is None else stranger_doubts(asked.bundle, training_set=told),
        "training": _training(training_set, asked) if short is not None else None,
        "run": None if run is None else _plain(run),
        "baselines": {
            name: {
                "title": (ON_FEATURES.get(name) or SHORT_TRAININGS[name]).title,
                **_plain(its),
                "over_run": _lead(run, its),
                "over_short": _lead(short, its) if name in SHORT_TRAININGS and its is not short else None,
                **_options(name, asked),
            }
            for name, its in ((name, found[name]) for name in asked.names)
        },
    }


def _network(
    training_set: TrainingSet, asked: Asked, crew: Crew, cache: Path, progress: Progress
) -> Predictions | None:
    """Scores of the network that the baselines are held against; None where none was asked for."""
    if asked.bundle is not None:
        return score_bundle(asked.bundle, training_set, asked.season, crew, cache, progress)
    if asked.run is None:
        return None
    progress("trained network scored", 0, 1)
    found = score_run(asked.run, training_set, cache)
    progress("trained network scored", 1, 1)
    return found


def _on_features(
    training_set: TrainingSet, asked: Asked, crew: Crew, cache: Path, progress: Progress
) -> dict[str, Predictions]:
    from model_build.baselines.classifiers import fit_and_score

    names = [name for name in asked.names if name in ON_FEATURES]
    if not names:
        return {}
    if asked.season is None:
        raise ValueError(f"{names[0]} needs the season's light curves")
    require_season(training_set, asked.season)
    features = features_by_split(training_set, asked.season, crew, cache, progress)
    labels = np.asarray(training_set.labels[training_set.places("train", LABELLED)])
    found = {}
    for done, name in enumerate(names, 1):
        train, *others = (_table(ON_FEATURES[name], features[split]) for split in SPLITS)
        scores = fit_and_score(ON_FEATURES[name].method, train, labels, others, asked.seed)
        found[name] = Predictions(*scores)
        progress("classifiers on features", done, len(names))
    return found


def _short_trainings(
    training_set: TrainingSet, asked: Asked, cache: Path, progress: Progress
) -> dict[str, Predictions]:
    places = subset(training_set, asked.limit, asked.seed)
    return {
        name: train_and_score(
            name, training_set, short_options(name, asked.epochs), places, asked.seed, cache, progress
        )
        for name in asked.names
        if name in SHORT_TRAININGS
    }


def _table(of: OnFeatures, features: Features) -> Float64Array:
    if of.inputs == "classical":
        return features.classical
    return np.concatenate([features.classical, features.auxiliary], axis=1)


def _training(training_set: TrainingSet, asked: Asked) -> dict[str, Any]:
    examples = subset(training_set, asked.limit, asked.seed).size
    return {"examples": int(examples), "epochs": asked.epochs}


def _options(name: str, asked: Asked) -> dict[str, Any]:
    """How a short training was done."""
    if name not in SHORT_TRAININGS:
        return {}
    return {"options": plain_values(short_options(name, asked.epochs))}


def _plain(its: Measured) -> dict[str, Any]:
    return {
        "threshold": its.threshold,
        "binary": its.binary.as_json(),
        "multiclass": its.multiclass.as_json(),
        "recall": {name: recall.as_json() for name, recall in its.recall.items()},
    }


def _lead(network: Measured | None, baseline: Measured) -> dict[str, Any] | None:
    if network is None:
        return None
    its = lead(network, baseline)
    return {"binary": its.binary.as_json(), "multiclass": its.multiclass.as_json()}
