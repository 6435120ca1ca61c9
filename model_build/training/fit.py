"""The training loop: an epoch, its figures, a checkpoint; and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_build.network import Model, build_network, predict, weights_of
from model_build.training.batches import Batches
from model_build.training.history import Epoch, accuracies, weighted_loss, write_history
from model_build.training.options import Task, TrainingOptions
from model_build.training.run_folder import (
    HISTORY_FILE,
    TENSORBOARD_FOLDER,
    Checkpoint,
    Run,
    read_best,
    read_checkpoint,
    write_best,
    write_checkpoint,
    write_run,
)
from model_build.training_set.reader import TrainingSet
from model_build.training_set.split import IntArray
from stream_worker.batching import Branches, length_sorted_batches
from stream_worker.bundle import CLASSES, HEADS
from stream_worker.scoring import Scores

_MEASURED: Final = 2000  # examples to train on whose accuracy is followed
_AT_ONCE: Final = 128


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A network with the weights of its best epoch, and how it came about."""

    model: Model
    epochs: tuple[Epoch, ...]
    best_epoch: int


def train(
    of: TrainingSet,
    folder: Path,
    options: TrainingOptions,
    *,
    task: Task,
    seed: int,
    places: IntArray | None = None,
    limit: int | None = None,
    report: Callable[[Epoch], None] = lambda _epoch: None,
) -> Trained:
    """Train a network, or go on where the folder's checkpoint left off: the result is the same.

    Adam; heads weighted by class, N / (K n_c) (Viaña et al. 2025, sec. 7). The epoch of least validation
    loss, over validation's examples and their crops, is kept; ``patience`` epochs without a better one
    end the training. On several GPUs each batch is shared out. Blocks for minutes to hours.

    Parameters
    ----------
    folder
        `Run` folder; a checkpoint in it must be of these very parameters.
    places
        Examples to train on; all that the options name by default.
    limit
        Or a random subset of those, of so many.

    Raises
    ------
    BadRun
        If the checkpoint can't be read.
    ValueError
        If the examples lack a class.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    write_run(folder, Run(options, task, seed, of.sha256, limit))
    if places is None:
        places = of.places("train", *options.origins)
    if limit is not None:
        places = np.sort(np.random.default_rng(seed).permutation(places)[:limit])
    batches = Batches(of, places, options, task, seed)
    with _strategy().scope():
        model = build_network(options.network)
        _compile(model, options, batches.steps)
    state = _resume(model, folder)
    measured = np.random.default_rng(seed).permutation(places)[:_MEASURED]
    parts = {"train": np.sort(measured), "validation": of.places("validation", "labelled", "crop")}
    with _tensorboard(folder) as log:
        while not _finished(state, options):
            number = len(state.epochs) + 1
            loss = _learn(model, batches, number)
            variables = [np.asarray(variable) for variable in _variables(model)]
            averaged = _averaged(state, model.get_weights(), options.averaging)
            model.set_weights(averaged)
            epoch = _measure(model, of, parts, number, loss, task)
            state = _keep(model, folder, state, epoch, variables, averaged)
            _restore(model, variables)
            log(epoch)
            report(epoch)
    best = read_best(folder)
    model.set_weights([best[weight.path] for weight in model.weights])
    return Trained(model, tuple(state.epochs), state.best_epoch)


def score_with_network(model: Model, branches: Sequence[Branches], batch_size: int = _AT_ONCE) -> Scores:
    """Score candidates with a Keras network, in their order."""
    p_review = np.empty(len(branches))
    class_probabilities = np.empty((len(branches), len(CLASSES)))
    for places in length_sorted_batches(branches, batch_size):
        found = predict(model, [branches[place] for place in places])
        p_review[list(places)] = found.p_review
        class_probabilities[list(places)] = found.class_probabilities
    return Scores(p_review, class_probabilities)


def _strategy() -> Any:
    """One device by default; all GPUs where there are several (not run here, for want of them)."""
    import tensorflow as tf

    several = len(tf.config.list_physical_devices("GPU")) > 1
    return tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()


def _compile(model: Model, options: TrainingOptions, steps: int) -> None:
    import keras

    rate: Any = options.learning_rate
    if options.schedule == "cosine":
        rising = options.warm_up * steps
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 100.0 if rising else rate,
            max(options.epochs * steps - rising, 1),
            warmup_target=rate if rising else None,
            warmup_steps=rising,
        )
    optimizer = keras.optimizers.Adam(
        rate, weight_decay=options.weight_decay or None, clipnorm=options.clip_norm or None
    )
    model.compile(
        optimizer=optimizer,
        loss={HEADS[0]: "binary_crossentropy", HEADS[1]: "categorical_crossentropy"},
        jit_compile=False,  # every batch has its own shape
    )
    optimizer.build(model.trainable_variables)


def _resume(model: Model, folder: Path) -> Checkpoint:
    state = read_checkpoint(folder)
    if state is None:
        return Checkpoint([], [], [], 0, float("inf"))
    _restore(model, state.variables)
    return state


def _restore(model: Model, variables: Sequence[Any]) -> None:
    for variable, values in zip(_variables(model), variables, strict=True):
        variable.assign(values)


def _averaged(state: Checkpoint, weights: list[Any], share: float) -> list[Any]:
    """Mix the weights of an epoch into the running mean."""
    if not state.averaged:
        return weights
    return [share * old + (1.0 - share) * new for old, new in zip(state.averaged, weights, strict=True)]


def _variables(model: Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def _finished(state: Checkpoint, options: TrainingOptions) -> bool:
    done = len(state.epochs)
    return done >= options.epochs or done - state.best_epoch >= options.patience


def _learn(model: Model, batches: Batches, number: int) -> float:
    history = model.fit(
        batches.dataset(number), epochs=number, initial_epoch=number - 1, shuffle=False, verbose=0
    )
    return float(history.history["loss"][-1])


def _measure(
    model: Model, of: TrainingSet, parts: dict[str, IntArray], number: int, loss: float, task: Task
) -> Epoch:
    found: dict[str, float] = {}
    validation_loss = float("nan")
    for part, places in parts.items():
        scores = score_with_network(model, of.examples(places))
        found |= accuracies(part, of.labels[places], scores)
        if part == "validation":
            validation_loss = weighted_loss(
                of.labels[places], scores, of.review_weights, of.class_weights, task
            )
    return Epoch(number, loss, validation_loss, found)


def _keep(
    model: Model,
    folder: Path,
    state: Checkpoint,
    epoch: Epoch,
    variables: list[Any],
    averaged: list[Any],
) -> Checkpoint:
    """Write the weights first if they are the best: a checkpoint never speaks of others than are there."""
    best_epoch, best_loss = state.best_epoch, state.best_loss
    if epoch.validation_loss < best_loss:
        best_epoch, best_loss = epoch.number, epoch.validation_loss
        write_best(folder, dict(weights_of(model)))
    after = Checkpoint(variables, averaged, [*state.epochs, epoch], best_epoch, best_loss)
    write_checkpoint(folder, after)
    write_history(folder / HISTORY_FILE, after.epochs)
    return after


@contextmanager
def _tensorboard(folder: Path) -> Iterator[Callable[[Epoch], None]]:
    import tensorflow as tf

    writer = tf.summary.create_file_writer(str(folder / TENSORBOARD_FOLDER))

    def log(epoch: Epoch) -> None:
        with writer.as_default(step=epoch.number):
            for name, value in epoch.row().items():
                tf.summary.scalar(name, value)
        writer.flush()

    try:
        yield log
    finally:
        writer.close()
