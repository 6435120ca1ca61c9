"""Probabilities that mean what they say: how far they are from it, and what brings them there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from stream_worker.preprocessing.light_curve import BoolArray, Float64Array

_EDGE = 1e-6  # probabilities are kept this far from 0 and 1 before their logit is taken


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Bins of predicted probability: mean predicted and share true, float64 [b], and numbers, int64 [b].

    Empty bins are left out.
    """

    predicted: Float64Array
    observed: Float64Array
    n: NDArray[np.int64]

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean distance of predicted from observed, weighted by numbers."""
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.n))


def reliability(p: Float64Array, is_true: BoolArray, bins: int = 15) -> Reliability:
    """Bin probabilities [n] in ``bins`` of equal width.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not p.size:
        raise ValueError("no probabilities to bin")
    place = np.minimum((p * bins).astype(np.intp), bins - 1)
    n = np.bincount(place, minlength=bins)
    used = n > 0
    predicted = np.bincount(place, weights=p, minlength=bins)[used] / n[used]
    observed = np.bincount(place, weights=is_true, minlength=bins)[used] / n[used]
    return Reliability(predicted, observed, n[used].astype(np.int64))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Straight line in log odds: logit p' = slope logit p + offset."""

    slope: float
    offset: float

    def of(self, p: Float64Array) -> Float64Array:
        """Return calibrated probabilities [n]; their order stays if the slope is positive."""
        return np.asarray(expit(self.slope * _log_odds(p) + self.offset), dtype=np.float64)


def fit_calibration(p: Float64Array, is_true: BoolArray, weights: Float64Array | None = None) -> Calibration:
    """Fit by largest likelihood (Platt 1999) to held-out candidates, never to those trained on.

    Parameters
    ----------
    p, is_true : [n]
        Probabilities and outcomes.
    weights : float64 [n], optional
        How many each candidate stands for.

    Raises
    ------
    ValueError
        If all are true or all false.
    """
    if is_true.all() or not is_true.any():
        raise ValueError(f"need true and false ones, got {int(is_true.sum())} true of {is_true.size}")
    model = LogisticRegression(C=np.inf).fit(_log_odds(p)[:, np.newaxis], is_true, weights)
    return Calibration(float(model.coef_[0, 0]), float(model.intercept_[0]))


def _log_odds(p: Float64Array) -> Float64Array:
    return np.asarray(logit(np.clip(p, _EDGE, 1.0 - _EDGE)), dtype=np.float64)
