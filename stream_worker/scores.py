"""Scores and what a graph takes: padded inputs, checked outputs; pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream_worker.batching import Branches
from stream_worker.bundle import BRANCHES, length_input
from stream_worker.preprocessing import FEATURES

_RANGE_TOLERANCE: Final = 1e-5


class ScoringError(Exception):
    """A batch can't be scored; ``row`` is the offending candidate, where one is known."""

    def __init__(self, message: str, *, row: int | None = None) -> None:
        self.row = row
        super().__init__(message if row is None else f"row {row}: {message}")


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores of a batch: p_review float64 [n], class_probabilities (yes, maybe, no) float64 [n, 3]."""

    p_review: NDArray[np.float64]
    class_probabilities: NDArray[np.float64]

    def each(self) -> list[Score]:
        """Return the scores one by one, in order."""
        rows = zip(self.p_review.tolist(), self.class_probabilities.tolist(), strict=True)
        return [Score(p_review, (yes, maybe, no)) for p_review, (yes, maybe, no) in rows]


@dataclass(frozen=True, slots=True)
class Score:
    """Score of one candidate; ``class_probabilities`` are yes, maybe, no."""

    p_review: float
    class_probabilities: tuple[float, float, float]


def pad(batch: Sequence[Branches]) -> dict[str, NDArray[Any]]:
    """Graph inputs of a batch: each branch padded with zero rows on the right to its longest (at least 1).

    Returns
    -------
    dict
        ``ctio``, ``saao``, ``sso``: float32 [n, longest, 12]; ``ctio_length``, …: int32 [n].

    Raises
    ------
    ScoringError
        If a candidate's branch is not float32 [n_site, 12].
    """
    inputs: dict[str, NDArray[Any]] = {}
    for place, branch in enumerate(BRANCHES):
        series = [_checked(branches[place], branch, row) for row, branches in enumerate(batch)]
        lengths = np.array([len(rows) for rows in series], np.int32)
        padded = np.zeros((len(series), max(1, lengths.max(initial=0)), len(FEATURES)), np.float32)
        for row, rows in enumerate(series):
            padded[row, : len(rows)] = rows
        inputs[branch] = padded
        inputs[length_input(branch)] = lengths
    return inputs


def _checked(rows: NDArray[np.float32], branch: str, row: int) -> NDArray[np.float32]:
    if rows.ndim != 2 or rows.shape[1] != len(FEATURES) or rows.dtype != np.float32:
        raise ScoringError(
            f"branch {branch} is {rows.dtype} {list(rows.shape)}, expected float32 [n, {len(FEATURES)}]",
            row=row,
        )
    return rows


def check_probabilities(scores: Scores) -> None:
    """Raise ScoringError unless all are probabilities; rounding beyond 0 and 1 is clipped in place."""
    p_review, class_probabilities = scores.p_review, scores.class_probabilities
    values = np.column_stack([p_review, class_probabilities])
    sound = ((values >= -_RANGE_TOLERANCE) & (values <= 1 + _RANGE_TOLERANCE)).all(axis=1)  # NaN fails
    sound &= np.abs(class_probabilities.sum(axis=1) - 1) <= _RANGE_TOLERANCE
    if not sound.all():
        row = int(np.flatnonzero(~sound)[0])
        raise ScoringError(
            f"not probabilities: p_review {p_review[row]}, "
            f"class_probabilities {class_probabilities[row].tolist()}",
            row=row,
        )
    np.clip(p_review, 0.0, 1.0, out=p_review)
    np.clip(class_probabilities, 0.0, 1.0, out=class_probabilities)
