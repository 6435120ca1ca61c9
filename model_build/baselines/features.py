"""Features of a training set's labelled stars, from the archive of its season."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from model_build.dataset import RUN_FILES, DatasetError, data_sha256
from model_build.evaluation.run_cache import Arrays, over_runs
from model_build.evaluation.splits import LABELLED
from model_build.progress import Progress
from model_build.season.baselines import (
    AUXILIARY_FEATURES,
    CLASSICAL_FEATURES,
    auxiliary_features,
    classical_features,
)
from model_build.training_set.crew import Crew
from model_build.training_set.reader import TrainingSet
from model_build.training_set.split import SPLITS
from stream_worker.codec import read_candidates
from stream_worker.preprocessing.light_curve import Float64Array

_CACHE_VERSION: Final = 1
"""Changes whenever the same season and set would give other features."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """`CLASSICAL_FEATURES` [n, 27] and `AUXILIARY_FEATURES` [n, 48] of a split, NaN where unknown."""

    classical: Float64Array
    auxiliary: Float64Array


def require_season(training_set: TrainingSet, season: Path) -> None:
    """Refuse a season that the set was not made of.

    Raises
    ------
    DatasetError
        If it is another, or none.
    """
    made_of, found = training_set.manifest["season"]["sha256"], data_sha256(season)
    if made_of != found:
        raise DatasetError(
            f"{season}: SHA-256 {found}, {training_set.path} was made of a season of {made_of}: "
            "another season"
        )


def features_by_split(
    training_set: TrainingSet, season: Path, crew: Crew, cache: Path, progress: Progress
) -> dict[str, Features]:
    """Work out the features of the labelled stars, in the order of ``places(split, "labelled")``.

    Blocks for about 10 ms per star; kept in ``cache`` run file by run file.

    Raises
    ------
    DatasetError
        If the season lacks a candidate of the set.
    BadContainer
        If a run file can't be read.
    """
    ids = {split: _ids(training_set, split) for split in SPLITS}
    wanted = frozenset(name for names in ids.values() for name in names)
    folder = cache / f"features-{_CACHE_VERSION}-{training_set.sha256[:16]}"
    runs = sorted(season.glob(RUN_FILES))
    work = partial(features_of_run, wanted=wanted)
    found = over_runs(runs, work, folder, crew, "features: run files", progress)
    place_of = {name: place for place, name in enumerate(found["candidate_id"].tolist())}
    if lost := sorted(wanted - place_of.keys()):
        raise DatasetError(f"{season} lacks {len(lost)} candidates of {training_set.path}, e.g. {lost[0]}")
    places = {split: np.array([place_of[name] for name in names], np.intp) for split, names in ids.items()}
    return {
        split: Features(found["classical"][there], found["auxiliary"][there])
        for split, there in places.items()
    }


def features_of_run(path: Path, *, wanted: frozenset[str]) -> Arrays:
    """Work out the features of the candidates wanted of one run file."""
    ids: list[str] = []
    classical: list[Float64Array] = []
    auxiliary: list[Float64Array] = []
    with np.errstate(invalid="ignore", divide="ignore"):  # a constant column has no correlation
        for candidate in read_candidates(path):
            if candidate.candidate_id not in wanted:
                continue
            curves, found = candidate.light_curves, candidate.alertfinder
            ids.append(candidate.candidate_id)
            classical.append(classical_features(curves, found.t_break, found.t_cut))
            auxiliary.append(auxiliary_features(curves, found.t_break, found.t_cut))
    return {
        "candidate_id": np.array(ids, dtype="<U36"),
        "classical": np.array(classical).reshape(-1, len(CLASSICAL_FEATURES)),
        "auxiliary": np.array(auxiliary).reshape(-1, len(AUXILIARY_FEATURES)),
    }


def _ids(training_set: TrainingSet, split: str) -> list[str]:
    return [name.decode() for name in training_set.candidate_ids[training_set.places(split, LABELLED)]]
