"""Receiver operating characteristic and precision-recall curves with pointwise intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.bootstrap import Estimate, Resampling, estimate, interval
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array

_BINS: Final = 400
GRID: Final = np.linspace(0.0, 1.0, 201)
"""False-positive rates and recalls at which curves and their intervals are given."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Values on `GRID`, float64 [201], with two-sided 95 % intervals (low, high), float64 [2, 201].

    ``area`` is that under the curve.
    """

    y: Float64Array
    interval: Float64Array
    area: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Of one score: recall against the false-positive rate, and precision against recall."""

    roc: Curve
    precision_recall: Curve
    share_true: float


def curves(resampling: Resampling, score: Float64Array, is_true: BoolArray) -> Curves:
    """Curves of a score [n] for what is true [n].

    Scores are binned at 400 quantiles; ties within a bin count as ties.

    Raises
    ------
    ValueError
        If all are true or all false.
    """
    if is_true.all() or not is_true.any():
        raise ValueError(f"need true and false ones, got {int(is_true.sum())} true of {is_true.size}")
    edges = np.unique(np.quantile(score, np.linspace(0.0, 1.0, _BINS + 1)[1:-1], method="lower"))
    bins = np.searchsorted(edges, score, side="right")
    n_bins = edges.size + 1
    true = resampling.histogram(bins, n_bins, is_true)[:, ::-1]  # from the largest score down
    false = resampling.histogram(bins, n_bins, ~is_true)[:, ::-1]
    usable = (true.sum(axis=1) > 0) & (false.sum(axis=1) > 0)
    true, false = true[usable], false[usable]
    recall, fall_out = _cumulative(true), _cumulative(false)
    hits, alarms = np.cumsum(true, axis=1), np.cumsum(false, axis=1)
    precision = hits / np.maximum(hits + alarms, 1.0)
    roc = np.array([np.interp(GRID, x, y) for x, y in zip(fall_out, recall, strict=True)])
    start = precision[:, :1]
    pr = np.array(
        [
            np.interp(GRID, x, y)
            for x, y in zip(recall, np.concatenate([start, precision], axis=1), strict=True)
        ]
    )
    auc = np.sum(np.diff(fall_out, axis=1) * (recall[:, 1:] + recall[:, :-1]) / 2.0, axis=1)
    average_precision = np.sum(np.diff(recall, axis=1) * precision, axis=1)
    return Curves(
        Curve(roc[0], interval(roc[1:]), estimate(auc)),
        Curve(pr[0], interval(pr[1:]), estimate(average_precision)),
        float(is_true.mean()),
    )


def _cumulative(counts: Float64Array) -> Float64Array:
    """Shares of counts [d, bins] in the first 0, 1, ... bins: [d, bins + 1]."""
    sums = np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)
    return np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)
