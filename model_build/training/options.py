"""What a training depends on, beside its data: two named configurations, or a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

from model_build.augment import Losses
from model_build.network_options import NetworkOptions
from model_build.training_set.plan import ORIGINS, PAPER_ORIGINS

Task = Literal["binary", "multiclass", "both"]
TASKS: Final[tuple[Task, ...]] = ("binary", "multiclass", "both")
NAMED: Final = ("default", "paper")


class BadTrainingOptions(ValueError):
    """A configuration can't be used; the message lists every fault."""


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Numbers of a training.

    Parameters
    ----------
    network, losses
        The network, and what of the data is lost at random in training.
    origins
        Which of a training set's examples are trained on: some of `ORIGINS`.
    epochs, patience
        Most epochs, and how many without a better validation loss end the training.
    batch_size
        Examples of similar length.
    learning_rate, schedule, warm_up
        Adam's; "cosine" falls to zero over all epochs, after rising for ``warm_up`` of them.
    weight_decay, clip_norm
        Decoupled decay of the weights per step, and the largest norm of each gradient; 0 for none.
    label_smoothing
        Of the three-class targets.
    averaging
        Share of the running mean over earlier epochs in the weights that are measured and kept; 0 for those
        of the epoch itself.
    """

    network: NetworkOptions = field(default_factory=NetworkOptions)
    losses: Losses = field(default_factory=Losses)
    origins: tuple[str, ...] = PAPER_ORIGINS
    epochs: int = 40
    patience: int = 10
    batch_size: int = 64
    learning_rate: float = 2e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    warm_up: int = 1
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    label_smoothing: float = 0.0
    averaging: float = 0.0

    def __post_init__(self) -> None:
        wrong = {
            "epochs": self.epochs < 1,
            "patience": self.patience < 1,
            "batch_size": self.batch_size < 1,
            "learning_rate": not 0.0 < self.learning_rate < 1.0,
            "schedule": self.schedule not in ("constant", "cosine"),
            "warm_up": self.warm_up < 0,
            "weight_decay": not 0.0 <= self.weight_decay < 1.0,
            "clip_norm": not self.clip_norm >= 0.0,
            "label_smoothing": not 0.0 <= self.label_smoothing < 1.0,
            "averaging": not 0.0 <= self.averaging < 1.0,
            "origins": not set(PAPER_ORIGINS[:1]) <= set(self.origins) <= set(ORIGINS),
        }
        faults = [f"{name} can't be {getattr(self, name)!r}" for name, bad in wrong.items() if bad]
        if faults:
            raise ValueError("; ".join(faults))


def read_options(named: str) -> TrainingOptions:
    """Read a configuration by its name, or a TOML file by its path.

    Raises
    ------
    BadTrainingOptions
        If there is none, or a key is unknown or has a wrong value.
    """
    source = files(__package__) / f"{named}.toml" if named in NAMED else Path(named)
    try:
        content = tomllib.loads(source.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadTrainingOptions(
            f"{named}: neither {' nor '.join(NAMED)}, nor a readable TOML file: {error}"
        ) from error
    try:
        return options_from(content)
    except BadTrainingOptions as error:
        raise BadTrainingOptions(f"{named}: {error}") from error


def options_from(content: Mapping[str, Any]) -> TrainingOptions:
    """Return options from plain values; what is not named has its default.

    Raises
    ------
    BadTrainingOptions
        With every fault.
    """
    faults: list[str] = []
    parts = {
        "network": _part(NetworkOptions, "network.", content.get("network", {}), faults),
        "losses": _part(Losses, "losses.", content.get("losses", {}), faults),
    }
    rest = {name: value for name, value in content.items() if name not in parts}
    whole = _part(TrainingOptions, "", rest, faults)
    if faults or whole is None or None in parts.values():
        raise BadTrainingOptions("; ".join(faults))
    plain = {f.name: getattr(whole, f.name) for f in fields(TrainingOptions) if f.name not in parts}
    return TrainingOptions(**parts, **plain)


def network_options_from(content: Any) -> NetworkOptions:
    """Return the shape of a network from plain values; raises as `options_from`."""
    return options_from({"network": content}).network


def plain_values(options: TrainingOptions | NetworkOptions) -> dict[str, Any]:
    """Return options as values that JSON has; `options_from` reads them back."""
    return {name: _plain(value) for name, value in asdict(options).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _like(default: Any, value: Any) -> Any:
    """Return a value of the default's type: TOML has lists and whole numbers."""
    return tuple(value) if isinstance(default, tuple) else type(default)(value)


def _part(kind: type[Any], where: str, values: Any, faults: list[str]) -> Any:
    if not isinstance(values, dict):
        faults.append(f"{where.rstrip('.')} must be a table, got {values!r}")
        return None
    defaults = kind()
    given: dict[str, Any] = {}
    for name, value in values.items():
        default = getattr(defaults, name, None)
        wanted = {float: (int, float), tuple: (list, tuple)}.get(type(default), (type(default),))
        if name not in {f.name for f in fields(kind)}:
            faults.append(f"{where}{name} is unknown")
        elif not isinstance(value, wanted) or isinstance(value, bool) != isinstance(default, bool):
            faults.append(f"{where}{name} must be {type(default).__name__}, got {value!r}")
        else:
            given[name] = _like(default, value)
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        faults.append(f"{where.rstrip('.') or 'values'}: {error}")
        return None
