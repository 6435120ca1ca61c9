"""From trained networks to what a bundle says of them: threshold, calibration, figures, card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_build.bundle_writer import THRESHOLDS, Release
from model_build.dataset import DatasetError
from model_build.evaluation.calibration import fit_calibration
from model_build.evaluation.sweep import sweep_thresholds
from model_build.metrics import evaluate
from model_build.model_card import model_card
from model_build.network_bundle import Networks
from model_build.season.review import EVENT
from model_build.season.tables import BadTable
from model_build.season.truth import TRUTH_FILE, read_truth_table
from model_build.training_set.reader import TrainingSet
from model_build.training_set.split import IntArray
from stream_worker.batching import length_sorted_batches
from stream_worker.bundle import CLASSES
from stream_worker.scoring import Scores

_AT_ONCE = 128
_YES, _MAYBE, _NO = (CLASSES.index(name) for name in ("yes", "maybe", "no"))


@dataclass(frozen=True, slots=True)
class Named:
    """What a release is called and where its code and figures are from."""

    name: str
    version: str
    git_commit: str | None
    provisional: bool
    evaluation: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class StreamMix:
    """Shares of a natural stream's candidates: of events, and of Maybes among the rest (None: not known)."""

    events: float
    maybe_of_rest: float | None = None


def release_of(
    networks: Networks, of: TrainingSet, mix: StreamMix | None, named: Named, training: Mapping[str, Any]
) -> Release:
    """Measure networks on their training set's held-out stars, without crops.

    The threshold ``chosen`` has the largest mean accuracy on validation. ``p_event`` is p_yes calibrated
    on validation stars (Yes against the rest), at their labels' and at their first dates, since a stream
    shows them from the first to the last, at the classes' shares ``mix``; without those there is none.

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
    if mix is not None:
        at = of.places("validation", "labelled", "first")
        calibration = _calibration(score_examples(networks, of, at), of.labels[at], mix)
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


def mix_of(stream: Path) -> StreamMix:
    """Count a natural stream's candidates: of stars with an event of their own, Maybes and Nos.

    Raises
    ------
    DatasetError
        If the folder has no truth table, or one without events, or without others.
    """
    path = stream / TRUTH_FILE
    try:
        table = read_truth_table(path)
    except (BadTable, FileNotFoundError) as error:
        raise DatasetError(f"{path}: {error}") from error
    is_event = np.array([kind == EVENT for kind in table.column("kind").to_pylist()], dtype=bool)
    labels = np.array([label or "" for label in table.column("label").to_pylist()])
    n_maybe, n_no = (int(((labels == name) & ~is_event).sum()) for name in ("maybe", "no"))
    if not is_event.any() or not n_maybe + n_no:
        raise DatasetError(f"{path}: {int(is_event.sum())} of its {is_event.size} candidates are of events")
    return StreamMix(float(is_event.mean()), n_maybe / (n_maybe + n_no))


def _calibration(scores: Scores, labels: IntArray, mix: StreamMix) -> dict[str, float]:
    """Fit with every class of validation weighted to its share of the stream (Saerens et al. 2002)."""
    counts = np.bincount(labels, minlength=len(CLASSES)).astype(np.float64)
    rest = counts[_MAYBE] + counts[_NO]
    maybe = counts[_MAYBE] / rest if mix.maybe_of_rest is None else mix.maybe_of_rest
    shares = np.zeros(len(CLASSES))
    shares[[_YES, _MAYBE, _NO]] = mix.events, (1.0 - mix.events) * maybe, (1.0 - mix.events) * (1.0 - maybe)
    weights = (shares * labels.size / counts)[labels]
    fitted = fit_calibration(scores.class_probabilities[:, _YES], labels == _YES, weights)
    return {
        "slope": round(fitted.slope, 6),
        "offset": round(fitted.offset, 6),
        "base_rate": round(mix.events, 6),
    }
