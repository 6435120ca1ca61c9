"""From trained networks to what a bundle says of them: threshold, calibration, figures, card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_build.bundle_writer import THRESHOLDS, Release
from model_build.dataset import DatasetError
from model_build.evaluation.calibration import fit_calibration, shift_prior
from model_build.evaluation.sweep import sweep_thresholds
from model_build.metrics import evaluate
from model_build.model_card import model_card
from model_build.network_bundle import Networks
from model_build.season.review import EVENT
from model_build.season.tables import BadTable
from model_build.season.truth import TRUTH_FILE, read_truth_table
from model_build.training_set.reader import TrainingSet
from stream_worker.batching import length_sorted_batches
from stream_worker.bundle import CLASSES
from stream_worker.preprocessing.light_curve import BoolArray
from stream_worker.scoring import Scores

_AT_ONCE = 128
_YES = CLASSES.index("yes")


@dataclass(frozen=True, slots=True)
class Named:
    """What a release is called and where its code and figures are from."""

    name: str
    version: str
    git_commit: str | None
    provisional: bool
    evaluation: Mapping[str, Any] | None


def release_of(
    networks: Networks, of: TrainingSet, base_rate: float | None, named: Named, training: Mapping[str, Any]
) -> Release:
    """Measure networks on their training set's held-out stars, without crops.

    The threshold ``chosen`` has the largest mean accuracy on validation. ``p_event`` is p_yes calibrated
    on validation (Yes against the rest) and shifted to ``base_rate``; without that there is none.

    Parameters
    ----------
    training
        What the card says of how the networks were trained.

    Raises
    ------
    ValueError
        If a held-out part lacks a class.
    """
    places = {part: of.places(part, "labelled") for part in ("validation", "test")}
    scores = {part: score_examples(networks, of, at) for part, at in places.items()}
    labels = {part: of.labels[at] for part, at in places.items()}
    chosen = sweep_thresholds(scores["validation"].p_review, labels["validation"]).best()
    calibration = None
    if base_rate is not None:
        calibration = _calibration(scores["validation"], labels["validation"] == _YES, base_rate)
    metrics = evaluate(labels["test"], scores["test"], {**THRESHOLDS, "chosen": chosen})
    metrics |= {"n_train": float(of.places("train", "labelled").size)}
    metrics |= {"n_validation": float(places["validation"].size)}
    metrics = {name: round(value, 6) for name, value in metrics.items()}
    return Release(
        name=named.name,
        version=named.version,
        provisional=named.provisional,
        standardisation=of.standardisation,
        options=of.options,
        training_data_sha256=of.sha256,
        git_commit=named.git_commit,
        metrics=metrics,
        model_card=model_card(
            named.name,
            named.version,
            metrics=metrics,
            season=of.manifest["season"],
            training=training,
            chosen=chosen,
            calibration=calibration,
            evaluation=named.evaluation,
            provisional=named.provisional,
        ),
        chosen_threshold=chosen,
        calibration=calibration,
    )


def score_examples(
    networks: Networks, of: TrainingSet, places: np.ndarray[Any, np.dtype[np.int64]]
) -> Scores:
    """Score some of a training set's examples with Keras, in their order."""
    examples = of.examples(places)
    p_review, class_probabilities = np.empty(len(examples)), np.empty((len(examples), len(CLASSES)))
    for batch in length_sorted_batches(examples, _AT_ONCE):
        found = networks.predict([examples[place] for place in batch])
        p_review[list(batch)] = found.p_review
        class_probabilities[list(batch)] = found.class_probabilities
    return Scores(p_review, class_probabilities)


def base_rate_of(stream: Path) -> float:
    """Return the share of a natural stream's candidates whose star has an event of its own.

    Raises
    ------
    DatasetError
        If the folder has no truth table, or one without events, or of events only.
    """
    path = stream / TRUTH_FILE
    try:
        kinds = read_truth_table(path).column("kind").to_pylist()
    except (BadTable, FileNotFoundError) as error:
        raise DatasetError(f"{path}: {error}") from error
    rate = float(np.mean([kind == EVENT for kind in kinds])) if kinds else 0.0
    if not 0.0 < rate < 1.0:
        raise DatasetError(f"{path}: {rate:.0%} of its {len(kinds)} candidates are of events")
    return rate


def _calibration(scores: Scores, is_yes: BoolArray, base_rate: float) -> dict[str, float]:
    fitted = fit_calibration(scores.class_probabilities[:, _YES], is_yes)
    halves = np.array([0.5])  # what the prior shift adds to the log odds does not depend on them
    moved = shift_prior(halves, float(is_yes.mean()), base_rate)
    shift = float(np.log(moved[0] / (1.0 - moved[0])))
    return {
        "slope": round(fitted.slope, 6),
        "offset": round(fitted.offset + shift, 6),
        "base_rate": round(base_rate, 6),
    }
