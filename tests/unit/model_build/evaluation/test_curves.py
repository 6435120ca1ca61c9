from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from model_build.bootstrap import Resampling
from model_build.evaluation.curves import GRID, curves
from model_build.metrics import auc


def drawn(n=3000, separation=1.5):
    rng = np.random.default_rng(4)
    is_true = rng.random(n) < 0.3
    score = 1.0 / (1.0 + np.exp(-rng.normal(separation * is_true, 1.0)))
    return score, is_true


def test_areas_are_those_of_the_exact_curves():
    score, is_true = drawn()
    found = curves(Resampling(np.arange(score.size), 1, 100), score, is_true)
    assert found.roc.area.value == pytest.approx(auc(is_true, score), abs=2e-4)
    expected = average_precision_score(is_true, score)
    assert found.precision_recall.area.value == pytest.approx(expected, abs=5e-3)
    assert found.share_true == is_true.mean()


def test_curves_run_from_corner_to_corner_within_their_bands():
    score, is_true = drawn()
    found = curves(Resampling(np.arange(score.size), 1, 200), score, is_true)
    assert np.all(np.diff(found.roc.y) >= 0.0)
    assert found.roc.y[-1] == 1.0
    assert found.precision_recall.y[-1] == pytest.approx(is_true.mean(), abs=0.01)
    for curve in (found.roc, found.precision_recall):
        low, high = curve.interval
        assert curve.y.size == GRID.size
        middle = slice(10, -10)
        assert np.all(low[middle] <= curve.y[middle])
        assert np.all(curve.y[middle] <= high[middle])
        assert curve.area.low < curve.area.value < curve.area.high


def test_perfect_and_constant_scores():
    is_true = np.arange(100) < 40
    resampling = Resampling(np.arange(100), 1, 50)
    perfect = curves(resampling, is_true * 1.0, is_true)
    assert perfect.roc.area.value == perfect.precision_recall.area.value == 1.0
    same = curves(resampling, np.full(100, 0.5), is_true)
    assert same.roc.area.value == pytest.approx(0.5)


def test_one_sided_truth_is_refused():
    with pytest.raises(ValueError, match="3 true of 3"):
        curves(Resampling(np.arange(3), 1, 10), np.array([0.1, 0.2, 0.3]), np.ones(3, bool))
