"""The folder of a training run: what it was asked for, its checkpoint, its best weights, its history."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model_build.training.history import Epoch
from model_build.training.options import (
    TASKS,
    BadTrainingOptions,
    Task,
    TrainingOptions,
    options_from,
    plain_values,
)

RUN_FILE: Final = "run.json"
BEST_FILE: Final = "best.npz"
CHECKPOINT_FILE: Final = "checkpoint.npz"
HISTORY_FILE: Final = "history.csv"
TENSORBOARD_FOLDER: Final = "tensorboard"
_VERSION: Final = 1
_STATE: Final = "state"


class BadRun(ValueError):
    """A folder holds no training run, or one of something else."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run was asked for: with the training set it decides every number that comes out."""

    options: TrainingOptions
    task: Task
    seed: int
    training_set: str
    """Its SHA-256."""
    limit: int | None = None
    """Examples of a random subset; None for all."""

    def plain(self) -> dict[str, Any]:
        """Return it as values that JSON has."""
        return {
            "run_version": _VERSION,
            "task": self.task,
            "seed": self.seed,
            "training_set": self.training_set,
            "limit": self.limit,
            "options": plain_values(self.options),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Everything that the next epoch depends on.

    Parameters
    ----------
    variables
        Of the network and the optimizer, in their order.
    averaged
        Running mean of the network's weights.
    epochs
        Those done.
    best_epoch, best_loss
        The one with the least validation loss, whose weights are in `BEST_FILE`.
    """

    variables: list[NDArray[Any]]
    averaged: list[NDArray[Any]]
    epochs: list[Epoch]
    best_epoch: int
    best_loss: float


def write_run(folder: Path, run: Run) -> None:
    """Begin a run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / RUN_FILE, (json.dumps(run.plain(), indent=1) + "\n").encode())


def read_run(folder: Path) -> Run:
    """Return what a run was asked for.

    Raises
    ------
    BadRun
        If there is none, or one of another version.
    """
    path = folder / RUN_FILE
    try:
        plain = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadRun(f"{path} is missing: the folder holds no training run") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadRun(f"{path}: {error}") from error
    if not isinstance(plain, dict) or plain.get("run_version") != _VERSION or plain.get("task") not in TASKS:
        raise BadRun(f"{path}: expected run_version {_VERSION} and a task of {', '.join(TASKS)}")
    try:
        options = options_from(plain["options"])
        limit = plain.get("limit")  # runs from before there was one are of all
        return Run(
            options,
            plain["task"],
            int(plain["seed"]),
            str(plain["training_set"]),
            None if limit is None else int(limit),
        )
    except (BadTrainingOptions, KeyError, TypeError) as error:
        raise BadRun(f"{path}: {error}") from error


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    state = {
        "epochs": [asdict(epoch) for epoch in checkpoint.epochs],
        "best_epoch": checkpoint.best_epoch,
        "best_loss": checkpoint.best_loss,
    }
    arrays = {f"variable_{place:04d}": values for place, values in enumerate(checkpoint.variables)}
    arrays |= {f"averaged_{place:04d}": values for place, values in enumerate(checkpoint.averaged)}
    arrays[_STATE] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    _replace(folder / CHECKPOINT_FILE, _npz(arrays))


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the last checkpoint, None where there is none.

    Raises
    ------
    BadRun
        If it can't be read.
    """
    path = folder / CHECKPOINT_FILE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            state = json.loads(archive[_STATE].tobytes())
            variables, averaged = (
                [archive[name] for name in sorted(archive.files) if name.startswith(kind)]
                for kind in ("variable_", "averaged_")
            )
        epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        return Checkpoint(variables, averaged, epochs, int(state["best_epoch"]), float(state["best_loss"]))
    except Exception as error:  # zipfile, json and numpy each have their own
        raise BadRun(f"{path}: no readable checkpoint: {error}") from error


def write_best(folder: Path, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Keep the weights of the best epoch, by path."""
    _replace(folder / BEST_FILE, _npz(weights))


def read_best(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return the weights of the best epoch, by path.

    Raises
    ------
    BadRun
        If there are none.
    """
    path = folder / BEST_FILE
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # zipfile and numpy each have their own
        raise BadRun(f"{path}: no weights: {error}") from error


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez(buffer, **named)
    return buffer.getvalue()


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(content)
    unfinished.replace(path)
