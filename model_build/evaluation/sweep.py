"""Accuracy of the binary decision against its threshold (Viaña et al. 2025, fig. 12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_build.metrics import NO
from stream_worker.bundle import CLASSES
from stream_worker.preprocessing.light_curve import Float64Array

STEP = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """Accuracies at each threshold, float64 [m].

    Parameters
    ----------
    thresholds
        From 0, where all pass, to 1, where none does, ascending.
    accuracy
        Of each class: of yes and maybe the share that passes, of no the share that does not.
    mean
        Unweighted mean of the two sides, yes and maybe pooled: one half at both ends.
    """

    thresholds: Float64Array
    accuracy: Mapping[str, Float64Array]
    mean: Float64Array

    def best(self) -> float:
        """Return the threshold with the largest mean; of a plateau its middle."""
        at_best = self.thresholds[self.mean >= self.mean.max() - 1e-12]
        return float(at_best[(at_best.size - 1) // 2])


def sweep_thresholds(p_review: Float64Array, labels: NDArray[np.int64], step: float = STEP) -> Sweep:
    """Sweep the threshold on ``p_review`` [n] of candidates with ``labels`` [n], places in `CLASSES`.

    Raises
    ------
    ValueError
        If there are no candidates of a side, or a score is outside 0 to 1.
    """
    if not np.all((p_review >= 0.0) & (p_review <= 1.0)):
        bad = int(np.flatnonzero(~((p_review >= 0.0) & (p_review <= 1.0)))[0])
        raise ValueError(f"score {bad} is {p_review[bad]}, expected 0 to 1")
    positive = labels != NO
    if positive.all() or not positive.any():
        raise ValueError(
            f"need candidates of both sides, got {int(positive.sum())} of {labels.size} positive"
        )
    thresholds = np.linspace(0.0, 1.0, round(1.0 / step) + 1)
    passing = {name: _passing(p_review[labels == place], thresholds) for place, name in enumerate(CLASSES)}
    no = CLASSES[NO]
    accuracy = passing | {no: 1.0 - passing[no]}
    mean = 0.5 * (_passing(p_review[positive], thresholds) + accuracy[no])
    return Sweep(thresholds, accuracy, mean)


def _passing(scores: Float64Array, thresholds: Float64Array) -> Float64Array:
    """Share of ``scores`` at or above each threshold; none at 1, NaN of no scores."""
    if not scores.size:
        return np.full(thresholds.size, np.nan)
    below = np.searchsorted(np.sort(scores), thresholds, side="left")
    share = 1.0 - below / scores.size
    share[-1] = 0.0
    return np.asarray(share, dtype=np.float64)
