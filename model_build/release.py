"""From trained networks to what a bundle says of them: threshold, calibration, figures, card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_build.bundle_writer import THRESHOLDS, Release
from model_build.evaluation.sweep import sweep_thresholds
from model_build.event_probability import EventProbability, fit_at_base_rate
from model_build.metrics import evaluate
from model_build.model_card import model_card
from model_build.network_bundle import Networks
from model_build.training_set.reader import TrainingSet
from stream_worker.batching import length_sorted_batches
from stream_worker.bundle import CLASSES
from stream_worker.scoring import Scores

_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Named:
    """What a release is called and where its code and figures are from."""

    name: str
    version: str
    git_commit: str | None
    provisional: bool
    evaluation: Mapping[str, Any] | None


def release_of(
    networks: Networks,
    of: TrainingSet,
    p_event: EventProbability | None,
    named: Named,
    training: Mapping[str, Any],
) -> Release:
    """Measure networks on their training set's held-out stars, without crops.

    The threshold ``chosen`` has the largest mean accuracy on validation, at the stars' labels' dates and at
    their first: one date alone is few stars to choose by.

    Parameters
    ----------
    training
        What the card says of how the networks were trained.

    Raises
    ------
    ValueError
        If a held-out part lacks a class.
    """
    both_dates, test = of.places("validation", "labelled", "first"), of.places("test", "labelled")
    on_validation = score_examples(networks, of, both_dates)
    chosen = sweep_thresholds(on_validation.p_review, of.labels[both_dates]).best()
    found = score_examples(networks, of, test)
    metrics = evaluate(of.labels[test], found, {**THRESHOLDS, "chosen": chosen})
    metrics |= {"n_train": float(of.places("train", "labelled").size)}
    metrics |= {"n_validation": float(of.places("validation", "labelled").size)}
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
            further=of.manifest["further"],
            training=training,
            split_by=of.manifest["split_by"],
            shared=all(network.options.shared for network in networks.graphs.values()),
            chosen=chosen,
            p_event=p_event,
            evaluation=named.evaluation,
            provisional=named.provisional,
        ),
        chosen_threshold=chosen,
        calibration=None if p_event is None else p_event.in_manifest,
        made_of={
            "trained_on": seasons_of(of),
            "calibrated_on": () if p_event is None else p_event.streams,
        },
    )


def seasons_of(training_set: TrainingSet) -> tuple[str, ...]:
    """SHA-256 of the data of each season that a training set is made of."""
    manifest = training_set.manifest
    return tuple(season["sha256"] for season in (manifest["season"], *manifest["further"]))


def p_event_at(networks: Networks, of: TrainingSet, base_rate: float) -> EventProbability:
    """Calibrate on validation stars, at their labels' and first dates, for a share of events."""
    at = of.places("validation", "labelled", "first")
    return fit_at_base_rate(score_examples(networks, of, at), of.labels[at], base_rate)


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
