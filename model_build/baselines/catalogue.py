"""The baselines by name (Viaña et al. 2025, sec. 6): what each looks at, and how it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from model_build.network_options import NetworkOptions
from model_build.training.options import TrainingOptions, read_options

Inputs = Literal["classical", "classical and auxiliary"]
Method = Literal["xgboost", "bagging", "decision tree", "perceptron", "gradient boosting"]

THREE_BRANCHES: Final = "three_branches"
"""The network itself in a short training: what the other short trainings are held against."""
_SHORT_BATCH: Final = 32


@dataclass(frozen=True, slots=True)
class OnFeatures:
    """A classifier of scikit-learn or XGBoost on numbers that sum up a light curve."""

    title: str
    inputs: Inputs
    method: Method


@dataclass(frozen=True, slots=True)
class ShortTraining:
    """A network on the light curves, trained for a few epochs on a subset; ``change`` makes its options."""

    title: str
    change: Callable[[TrainingOptions], TrainingOptions]


ON_FEATURES: Final[Mapping[str, OnFeatures]] = {
    "xgboost": OnFeatures("XGBoost, classical features", "classical", "xgboost"),
    "bagging": OnFeatures("Bagging of trees, classical features", "classical", "bagging"),
    "decision_tree": OnFeatures("Decision tree, classical features", "classical", "decision tree"),
    "perceptron": OnFeatures("Perceptron, classical features", "classical", "perceptron"),
    "boosting_auxiliary": OnFeatures(
        "Gradient boosting, classical and auxiliary features", "classical and auxiliary", "gradient boosting"
    ),
}


def _ctio_only(options: TrainingOptions) -> TrainingOptions:
    """Look at CTIO alone, and never lose it: another site to go by there is not."""
    return replace(
        options,
        network=replace(options.network, sites=("ctio",)),
        losses=replace(options.losses, site=0.0),
    )


def _cnn(options: TrainingOptions) -> TrainingOptions:
    return replace(options, network=replace(options.network, encoder="cnn"))


def _no_fit_line(options: TrainingOptions) -> TrainingOptions:
    return replace(options, network=replace(options.network, without=("fit_line",)))


def _paper(options: TrainingOptions) -> TrainingOptions:
    network: NetworkOptions = read_options("paper").network
    return replace(options, network=network)


SHORT_TRAININGS: Final[Mapping[str, ShortTraining]] = {
    THREE_BRANCHES: ShortTraining("The network, short training", lambda options: options),
    "ctio_only": ShortTraining("CTIO-only RNN, short training", _ctio_only),
    "cnn": ShortTraining("1-D CNN, short training", _cnn),
    "no_fit_line": ShortTraining("The network without fit line, short training", _no_fit_line),
    "paper_network": ShortTraining("The paper's network, short training", _paper),
}
NAMES: Final = (*ON_FEATURES, *SHORT_TRAININGS)


def chosen(only: tuple[str, ...]) -> tuple[str, ...]:
    """Return the baselines asked for, all if none is named, in order.

    With any short training goes `THREE_BRANCHES`, which it is held against.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    if unknown := [name for name in only if name not in NAMES]:
        raise ValueError(f"no baseline {unknown[0]!r}: expected {', '.join(NAMES)}")
    wanted = set(only or NAMES)
    if wanted & SHORT_TRAININGS.keys():
        wanted.add(THREE_BRANCHES)
    return tuple(name for name in NAMES if name in wanted)


def short_options(name: str, epochs: int) -> TrainingOptions:
    """Return the options of a short training: configuration default, but for what the baseline changes.

    Batches are smaller and weights are not averaged over epochs: of a few epochs' few steps there are
    none to spare. That is the same for all.
    """
    default = read_options("default")
    short = replace(default, epochs=epochs, patience=epochs, batch_size=_SHORT_BATCH, averaging=0.0)
    return SHORT_TRAININGS[name].change(short)
