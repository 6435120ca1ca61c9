"""The steps of configuration default, each with what takes it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from model_build.training.options import TrainingOptions, read_options

_BATCH: Final = 32  # so that a short training has steps enough


@dataclass(frozen=True, slots=True)
class Step:
    """A step; ``undo`` returns options without it."""

    title: str
    undo: Callable[[TrainingOptions], TrainingOptions]


def _network(**changes: Any) -> Callable[[TrainingOptions], TrainingOptions]:
    return lambda options: replace(options, network=replace(options.network, **changes))


def _losses(**changes: Any) -> Callable[[TrainingOptions], TrainingOptions]:
    return lambda options: replace(options, losses=replace(options.losses, **changes))


def _training(**changes: Any) -> Callable[[TrainingOptions], TrainingOptions]:
    return lambda options: replace(options, **changes)


STEPS: Final[Mapping[str, Step]] = {
    "observations": Step("a dense layer on each observation", _network(observation_units=0)),
    "patches": Step("patches of observations, not one by one", _network(patch=1)),
    "attention": Step("attention beside the final state", _network(pooling="last")),
    "shared": Step("one encoder for all sites", _network(shared=False)),
    "schedule": Step("warm-up and cosine, not a constant rate", _training(schedule="constant", warm_up=0)),
    "rows": Step("observations lost at random", _losses(rows=0.0)),
    "inputs": Step("sites and columns lost at random", _losses(site=0.0, column=0.0, all_columns=0.0)),
    "decay": Step("weight decay", _training(weight_decay=0.0)),
    "smoothing": Step("label smoothing", _training(label_smoothing=0.0)),
}


def short(epochs: int) -> TrainingOptions:
    """Return configuration default for a short training: small batches, weights not averaged."""
    default = read_options("default")
    return replace(default, epochs=epochs, patience=epochs, batch_size=_BATCH, averaging=0.0)
