"""Trains with every step, and with each taken back, and measures on validation: never on test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_build.baselines.trainings import subset, train_and_score
from model_build.bootstrap import Estimate, Resampling, estimate
from model_build.evaluation.accuracy import binary_statistic, difference, multiclass_statistic
from model_build.progress import Progress
from model_build.steps.catalogue import STEPS, short
from model_build.training.history import weighted_loss
from model_build.training_set.reader import TrainingSet
from stream_worker.preprocessing.light_curve import Float64Array
from stream_worker.scoring import Scores

SEED: Final = 1
"""Of the draws."""
_WHOLE: Final = "default"


@dataclass(frozen=True, slots=True)
class Gain:
    """What validation loses when a step is taken back: mean accuracies, and the loss that is the lower."""

    binary: Estimate
    multiclass: Estimate
    loss: float


@dataclass(frozen=True, slots=True)
class Steps:
    """Gains by step, and the mean accuracies and the loss with all of them."""

    binary: Estimate
    multiclass: Estimate
    loss: float
    gains: dict[str, Gain]
    n: int
    clusters: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "validation": {"stars": self.n, "clusters": self.clusters},
            "default": _plain(self.binary, self.multiclass, self.loss),
            "gains": {
                name: {"title": STEPS[name].title, **_plain(its.binary, its.multiclass, its.loss)}
                for name, its in self.gains.items()
            },
        }


def measure_steps(
    training_set: TrainingSet,
    names: Sequence[str],
    *,
    limit: int,
    epochs: int,
    seed: int,
    cache: Path,
    progress: Progress,
) -> Steps:
    """Train and measure. Blocks for minutes per step; what is done is kept in ``cache``.

    Accuracies are of validation's stars at their labels' dates, two classes at one half: no threshold is
    chosen. Differences are paired by cluster; each training is one, so that chance in training is in them.
    """
    places = subset(training_set, limit, seed)
    options = short(epochs)
    asked = {_WHOLE: options} | {name: STEPS[name].undo(options) for name in names}
    scores = {
        name: train_and_score(f"step-{name}", training_set, its, places, seed, cache, progress).validation
        for name, its in asked.items()
    }
    at = training_set.places("validation", "labelled")
    labels = np.asarray(training_set.labels[at])
    resampling = Resampling(np.asarray(training_set.clusters[at]), SEED)

    def loss(its: Scores) -> float:
        return weighted_loss(labels, its, training_set.review_weights, training_set.class_weights, "both")

    def draws(its: Scores) -> tuple[Float64Array, Float64Array]:
        binary, _ = binary_statistic(resampling, its.p_review >= 0.5, labels)
        multiclass, _ = multiclass_statistic(resampling, its.class_probabilities.argmax(axis=1), labels)
        return binary, multiclass

    whole = draws(scores[_WHOLE])
    gains = {}
    for name in names:
        without = draws(scores[name])
        binary, multiclass = (difference(one, other) for one, other in zip(whole, without, strict=True))
        gains[name] = Gain(binary, multiclass, loss(scores[name]) - loss(scores[_WHOLE]))
    binary, multiclass = map(estimate, whole)
    return Steps(binary, multiclass, loss(scores[_WHOLE]), gains, labels.size, resampling.n_clusters)


def _plain(binary: Estimate, multiclass: Estimate, loss: float) -> dict[str, Any]:
    return {"binary": binary.as_json(), "multiclass": multiclass.as_json(), "loss": loss}
