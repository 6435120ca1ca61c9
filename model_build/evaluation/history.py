"""Learning curves of a training run from its ``history.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from stream_worker.preprocessing.light_curve import Float64Array

HISTORY_FILE: Final = "history.csv"
PARTS: Final[Mapping[str, str]] = {"train": "Tr.", "validation": "Vl."}
TASKS: Final[Mapping[str, Mapping[str, str]]] = {
    "binary": {"review_accuracy": "mean", "review_positive": "Yes and Maybe", "review_no": "No"},
    "multiclass": {"classes_accuracy": "mean", "yes": "Yes", "maybe": "Maybe", "no": "No"},
}
"""Columns of each task, after ``train_`` or ``validation_``, and what they are called."""


class BadHistory(ValueError):
    """A file is no history of a training; the message names the line and what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Columns of a history, float64 [epochs] each, NaN where a value is missing; ``epoch`` is one of them."""

    columns: Mapping[str, Float64Array]

    def has(self, task: str) -> bool:
        """Whether any accuracy of a task is there."""
        return any(f"{part}_{name}" in self.columns for part in PARTS for name in TASKS[task])

    def last(self) -> dict[str, float]:
        """Values of the last epoch."""
        return {name: float(values[-1]) for name, values in self.columns.items()}


def read_history(run: Path) -> History:
    """Read the history of a training run's folder; columns that it lacks are left out.

    Raises
    ------
    BadHistory
        If there is no such file, it has no epochs, or a value is no number.
    """
    path = run / HISTORY_FILE
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            names = list(reader.fieldnames or [])
    except FileNotFoundError:
        raise BadHistory(f"{path} is missing: the folder holds no training run") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadHistory(f"{path}: no CSV: {error}") from error
    if "epoch" not in names or not rows:
        raise BadHistory(
            f"{path}: {len(rows)} epochs and columns {', '.join(names)}, expected epoch among them"
        )
    return History(
        {
            name: np.array([_number(path, line, name, row[name]) for line, row in enumerate(rows, 2)])
            for name in names
        }
    )


def _number(path: Path, line: int, name: str, text: str | None) -> float:
    if text is None or not text.strip():
        return np.nan
    try:
        return float(text)
    except ValueError:
        raise BadHistory(f"{path}, line {line}: {name} is {text!r}, expected a number") from None
