"""Trains the network on prepared candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model_build.augment import Losses, lose, thin
from model_build.dataset import Split, bucketed_batches, class_weights
from model_build.metrics import NO
from model_build.network import Model, build_network, predict
from stream_worker.batching import Branches, length_sorted_batches
from stream_worker.bundle import BRANCHES, CLASSES, HEADS
from stream_worker.preprocessing import Standardisation, fit_standardisation, standardise
from stream_worker.scoring import Scores, pad

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Numbers of the training.

    All but the last ``whole_epochs`` epochs see at most ``max_rows`` observations of a site, several
    times quicker. ``patience`` counts epochs without a better validation loss.
    """

    epochs: int = 16
    seed: int = 1
    batch_size: int = 64
    learning_rate: float = 3e-3
    patience: int = 8
    clip_norm: float = 1.0
    max_rows: int = 128
    whole_epochs: int = 3
    losses: Losses = field(default_factory=Losses)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch's losses, class-weighted."""

    number: int
    loss: float
    validation_loss: float


@dataclass(frozen=True, slots=True, eq=False)
class LabelledBranches:
    """Standardised candidates and their labels (places in `CLASSES`), int64 [n]."""

    branches: tuple[Branches, ...]
    labels: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained network, its standardisation, and the held-out candidates it has not seen."""

    model: Model
    standardisation: Standardisation
    test: LabelledBranches


def train(
    split: Split, options: TrainingOptions, report: Callable[[Epoch], None] = lambda _epoch: None
) -> Trained:
    """Fit the standardisation and the network on the training part; keep the epoch of least validation loss.

    Adam with a cosine schedule; both heads are weighted by class, N / (K n_c) (Viaña et al. 2025,
    sec. 6). Each epoch loses sites and auxiliary columns anew.

    Raises
    ------
    ValueError
        If a class is absent from the training part.
    """
    keras.utils.set_random_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    standardisation = fit_standardisation(example.prepared for example in split.train)
    parts = [
        LabelledBranches(
            tuple(standardise(example.prepared, standardisation) for example in examples),
            np.array([example.label for example in examples], np.int64),
        )
        for examples in (split.train, split.validation, split.test)
    ]
    model = build_network()
    _fit(model, parts[0], parts[1], options, rng, report)
    return Trained(model, standardisation, parts[2])


def score_with_network(model: Model, branches: Sequence[Branches], batch_size: int = 64) -> Scores:
    """Score candidates with a masked Keras network, in their order."""
    p_review = np.empty(len(branches))
    class_probabilities = np.empty((len(branches), len(CLASSES)))
    for places in length_sorted_batches(branches, batch_size):
        found = predict(model, [branches[place] for place in places])
        p_review[list(places)] = found.p_review
        class_probabilities[list(places)] = found.class_probabilities
    return Scores(p_review, class_probabilities)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    inputs: list[NDArray[np.float32]]
    targets: dict[str, IntArray]
    weights: dict[str, NDArray[np.float64]]


class _Targets:
    """Targets of both heads with the class weights of the training part."""

    def __init__(self, training_labels: IntArray) -> None:
        self._review = class_weights((training_labels != NO).astype(np.int64), 2)
        self._classes = class_weights(training_labels, len(CLASSES))

    def batch(self, branches: Sequence[Branches], labels: IntArray) -> _Batch:
        inputs = pad(branches)
        reviewed = (labels != NO).astype(np.int64)
        return _Batch(
            inputs=[inputs[branch] for branch in BRANCHES],
            targets={HEADS[0]: reviewed[:, np.newaxis], HEADS[1]: labels},
            weights={HEADS[0]: self._review[reviewed], HEADS[1]: self._classes[labels]},
        )


def _fit(
    model: Model,
    training: LabelledBranches,
    validation: LabelledBranches,
    options: TrainingOptions,
    rng: np.random.Generator,
    report: Callable[[Epoch], None],
) -> None:
    targets = _Targets(training.labels)
    _compile(model, options, steps=options.epochs * -(-len(training.branches) // options.batch_size))
    best, best_weights, waited = np.inf, model.get_weights(), 0
    for number in range(1, options.epochs + 1):
        whole = number > options.epochs - options.whole_epochs
        loss = _train_epoch(model, training, targets, options, rng, whole=whole)
        validation_loss = _validation_loss(model, validation, targets, options.batch_size)
        report(Epoch(number, loss, validation_loss))
        if validation_loss < best:
            best, best_weights, waited = validation_loss, model.get_weights(), 0
        elif (waited := waited + 1) >= options.patience:
            break
    model.set_weights(best_weights)


def _compile(model: Model, options: TrainingOptions, steps: int) -> None:
    schedule = keras.optimizers.schedules.CosineDecay(options.learning_rate, steps)
    model.compile(
        optimizer=keras.optimizers.Adam(schedule, clipnorm=options.clip_norm),
        loss={HEADS[0]: "binary_crossentropy", HEADS[1]: "sparse_categorical_crossentropy"},
    )


def _train_epoch(
    model: Model,
    training: LabelledBranches,
    targets: _Targets,
    options: TrainingOptions,
    rng: np.random.Generator,
    *,
    whole: bool,
) -> float:
    seen = [lose(branches, options.losses, rng) for branches in training.branches]
    if not whole:
        seen = [thin(branches, options.max_rows, rng) for branches in seen]
    losses = []
    for places in bucketed_batches(seen, options.batch_size, rng):
        batch = targets.batch([seen[place] for place in places], training.labels[places])
        result: Any = model.train_on_batch(batch.inputs, batch.targets, batch.weights)
        losses.append(float(result[0]))
        model.reset_metrics()
    return float(np.mean(losses))


def _validation_loss(model: Model, validation: LabelledBranches, targets: _Targets, batch_size: int) -> float:
    losses, sizes = [], []
    for places in length_sorted_batches(validation.branches, batch_size):
        labels = validation.labels[list(places)]
        batch = targets.batch([validation.branches[place] for place in places], labels)
        result: Any = model.test_on_batch(batch.inputs, batch.targets, batch.weights)
        losses.append(float(result[0]))
        sizes.append(len(places))
        model.reset_metrics()
    return float(np.average(losses, weights=sizes))
