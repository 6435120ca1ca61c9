"""Windows as arrays in folds, and a classifier that never saw the fold it judges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from model_build.realism.windows import Window
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Tell the windows that are ``real`` from the others.

    ``x`` float64 [n, features], NaN where not measured; ``fold``, ``file`` and ``season`` intp [n] number
    the fold, the file a window is of or stands in for, and its season (0: the real one).
    """

    x: Float64Array
    real: BoolArray
    fold: IntArray
    file: IntArray
    season: IntArray

    def rows(self, chosen: BoolArray) -> Problem:
        """Keep the ``chosen`` windows [n]."""
        x, real, fold = self.x[chosen], self.real[chosen], self.fold[chosen]
        return Problem(x, real, fold, self.file[chosen], self.season[chosen])

    def columns(self, chosen: BoolArray) -> Problem:
        """Keep the ``chosen`` features [features]."""
        return replace(self, x=self.x[:, chosen])

    def controls(self, most: int) -> Iterator[Problem]:
        """Yield problems without the real windows, one simulated season after the other in their part."""
        simulated = self.rows(~self.real)
        for season in np.unique(simulated.season)[:most].tolist():
            yield replace(simulated, real=simulated.season == season)


def problem(windows: Sequence[Window], folds: Sequence[str]) -> Problem:
    """Arrange windows whose folds are called ``folds``."""
    files = [f"{window.event} {window.name}" for window in windows]
    season = np.array([window.season for window in windows], dtype=np.intp)
    return Problem(
        x=np.stack([window.features for window in windows]),
        real=season == 0,
        fold=np.unique(folds, return_inverse=True)[1],
        file=np.unique(files, return_inverse=True)[1],
        season=season,
    )


def weighted_auc(
    real: Float64Array, w_real: Float64Array, other: Float64Array, w_other: Float64Array
) -> float:
    """Weighted share of (real, other) pairs whose real value is larger, ties half; NaN without pairs."""
    total = float(w_real.sum() * w_other.sum())
    if total <= 0.0:
        return float("nan")
    order = np.argsort(other, kind="stable")
    ordered, below = other[order], np.concatenate([[0.0], np.cumsum(w_other[order])])
    left, right = (below[np.searchsorted(ordered, real, side)] for side in ("left", "right"))
    return float(w_real @ (left + right)) / (2.0 * total)


def auc_within_folds(values: Float64Array, of: Problem, weights: Float64Array | None = None) -> float:
    """Mean over the folds of the AUC of ``values`` [n], each counted as its real windows weigh.

    Only windows of one fold, that is of the same site and star or file, are compared. NaN values don't count.
    """
    weight = np.ones(values.size) if weights is None else weights
    sums = np.zeros(2)
    for fold in np.unique(of.fold).tolist():
        here = (of.fold == fold) & np.isfinite(values)
        real, other = here & of.real, here & ~of.real
        auc = weighted_auc(values[real], weight[real], values[other], weight[other])
        if np.isfinite(auc):
            sums += float(weight[real].sum()) * np.array([auc, 1.0])
    return float(sums[0] / sums[1]) if sums[1] else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """A classifier of one fold, trained on all others; ``seen`` are the features it was given, [features]."""

    chosen: BoolArray
    seen: BoolArray
    model: HistGradientBoostingClassifier

    def scores(self, x: Float64Array) -> Float64Array:
        """Probability of being real, [n] for features ``x`` [n, features]."""
        return np.asarray(self.model.predict_proba(x[:, self.seen])[:, 1], dtype=np.float64)


def judges(of: Problem, seed: int) -> tuple[Judge, ...]:
    """Train one classifier for each fold that the others have real windows to train on."""
    with threadpool_limits(1, "openmp"):  # with so little work, threads only wait for each other
        return tuple(_judge(of, of.fold == fold, seed) for fold in np.unique(of.fold[of.real]).tolist())


def cross_scores(of: Problem, trained: Sequence[Judge]) -> Float64Array:
    """Scores of every window by the classifier that didn't see its fold, [n]; NaN where there is none."""
    found = np.full(of.real.size, np.nan)
    with threadpool_limits(1, "openmp"):
        for judge in trained:
            found[judge.chosen] = judge.scores(of.x[judge.chosen])
    return found


def _judge(of: Problem, chosen: BoolArray, seed: int) -> Judge:
    training = ~chosen
    x = of.x[training]
    seen: BoolArray = np.asarray(np.isfinite(x).any(axis=0))
    model = HistGradientBoostingClassifier(
        max_iter=40, max_leaf_nodes=6, max_bins=63, min_samples_leaf=10, l2_regularization=1.0,
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    model.fit(x[:, seen], of.real[training])
    return Judge(chosen, seen, model)
