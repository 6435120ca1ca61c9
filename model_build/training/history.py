"""How a training went, epoch by epoch (Viaña et al. 2025, figs 9 and 10)."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from model_build.metrics import NO
from model_build.training.options import Task
from model_build.training_set.split import IntArray
from stream_worker.bundle import CLASSES
from stream_worker.scoring import Scores

_MEASURES: Final = ("review_accuracy", "review_positive", "review_no", "classes_accuracy", *CLASSES)
COLUMNS: Final = (
    "epoch",
    "loss",
    "validation_loss",
    *(f"{part}_{name}" for part in ("train", "validation") for name in _MEASURES),
)
_TINY: Final = 1e-7  # as Keras clips probabilities before their logarithm is taken


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch: its number from 1, losses weighted by class, accuracies by the columns' names."""

    number: int
    loss: float
    validation_loss: float
    accuracies: dict[str, float]

    def row(self) -> dict[str, float]:
        """Return it by `COLUMNS`."""
        losses = {"epoch": self.number, "loss": self.loss, "validation_loss": self.validation_loss}
        return losses | self.accuracies


def accuracies(part: str, labels: IntArray, scores: Scores) -> dict[str, float]:
    """Return the accuracies of both heads, by column: each class's own, and their unweighted means."""
    passed = scores.p_review >= 0.5
    review = {"review_positive": passed[labels != NO].mean(), "review_no": (~passed[labels == NO]).mean()}
    found = scores.class_probabilities.argmax(axis=1)
    classes = {name: (found[labels == k] == k).mean() for k, name in enumerate(CLASSES)}
    means = {
        "review_accuracy": np.mean(list(review.values())),
        "classes_accuracy": np.mean(list(classes.values())),
    }
    return {f"{part}_{name}": float(value) for name, value in (review | classes | means).items()}


def weighted_loss(
    labels: IntArray,
    scores: Scores,
    review_weights: np.ndarray[tuple[int], np.dtype[np.float64]],
    class_weights: np.ndarray[tuple[int], np.dtype[np.float64]],
    task: Task,
) -> float:
    """Return the mean cross-entropy of the heads trained, weighted by class as in training."""
    reviewed = labels != NO
    right = np.where(reviewed, scores.p_review, 1.0 - scores.p_review)
    of_class = scores.class_probabilities[np.arange(labels.size), labels]
    loss = 0.0
    if task != "multiclass":
        weights = review_weights[reviewed.astype(np.int64)]
        loss += float(-(weights * np.log(np.maximum(right, _TINY))).mean())
    if task != "binary":
        loss += float(-(class_weights[labels] * np.log(np.maximum(of_class, _TINY))).mean())
    return loss


def write_history(path: Path, epochs: Iterable[Epoch]) -> None:
    """Write all epochs as CSV, whole or not at all."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for epoch in epochs:
            writer.writerow({name: _short(value) for name, value in epoch.row().items()})
    unfinished.replace(path)


def _short(value: float) -> str:
    return f"{value:.6g}"
