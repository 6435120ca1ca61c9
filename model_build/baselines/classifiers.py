"""Classifiers of feature tables: one for two classes, one for three, as the network has two heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Perceptron
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from model_build.baselines.catalogue import Method
from model_build.metrics import NO
from stream_worker.bundle import CLASSES
from stream_worker.preprocessing.light_curve import Float64Array, IntArray
from stream_worker.scoring import Scores

_QUANTILES: Final = 100
Classifier = Any
"""A classifier of scikit-learn's kind."""


def fit_and_score(
    method: Method, features: Float64Array, labels: IntArray, others: Sequence[Float64Array], seed: int
) -> list[Scores]:
    """Fit on features [n, k] and labels [n] (places in `CLASSES`), and score other tables [m, k].

    Classes weigh the same. Columns of which nothing is known in training are left out. A perceptron has
    no probabilities: its margins, in units of their scatter in training, go through a sigmoid or softmax,
    which changes no order and no likeliest class.

    Raises
    ------
    ValueError
        If a class is missing.
    """
    if missing := [name for place, name in enumerate(CLASSES) if not np.any(labels == place)]:
        raise ValueError(f"no star of class {', '.join(missing)} to train on")
    known = np.isfinite(features).any(axis=0)
    table, rest = _finite(features[:, known]), [_finite(other[:, known]) for other in others]
    with threadpool_limits(1):  # threads cost more than they give on tables this small
        review = _fitted(method, table, (labels != NO).astype(np.int64), rest, seed)
        classes = _fitted(method, table, labels.astype(np.int64), rest, seed)
    return [Scores(two[:, 1], three) for two, three in zip(review, classes, strict=True)]


def _fitted(
    method: Method, table: Float64Array, y: IntArray, rest: Sequence[Float64Array], seed: int
) -> list[Float64Array]:
    """Probabilities [m, classes] of each table in ``rest``."""
    model = _MAKERS[method](len(table), seed)
    if method == "xgboost":
        model.fit(table, y, sample_weight=compute_sample_weight("balanced", y))
    else:
        model.fit(table, y)
    if hasattr(model, "predict_proba"):
        return [np.asarray(model.predict_proba(other), np.float64) for other in rest]
    scatter = float(np.std(model.decision_function(table))) or 1.0
    return [_of_margins(np.asarray(model.decision_function(other)) / scatter) for other in rest]


def _of_margins(margins: Float64Array) -> Float64Array:
    """Softmax of margins [m, classes], or [m] of the second of two classes."""
    if margins.ndim == 1:
        margins = np.stack([np.zeros_like(margins), margins], axis=1)
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)


def _finite(table: Float64Array) -> Float64Array:
    """Infinities as missing."""
    return np.where(np.isfinite(table), table, np.nan)


def _xgboost(_n: int, seed: int) -> Classifier:
    from xgboost import XGBClassifier

    return XGBClassifier(
        n_estimators=300,
        learning_rate=0.05,
        max_depth=4,
        min_child_weight=5,
        subsample=0.8,
        colsample_bytree=0.8,
        n_jobs=1,
        random_state=seed,
    )


def _bagging(_n: int, seed: int) -> Classifier:
    tree = DecisionTreeClassifier(min_samples_leaf=3, class_weight="balanced")
    return BaggingClassifier(tree, n_estimators=100, random_state=seed)


def _decision_tree(_n: int, seed: int) -> Classifier:
    return DecisionTreeClassifier(min_samples_leaf=20, class_weight="balanced", random_state=seed)


def _perceptron(n: int, seed: int) -> Classifier:
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        QuantileTransformer(n_quantiles=min(n, _QUANTILES), output_distribution="normal", random_state=seed),
        Perceptron(class_weight="balanced", penalty="l2", alpha=1e-4, random_state=seed),
    )


def _gradient_boosting(_n: int, seed: int) -> Classifier:
    """As in `model_build.season.ceiling`."""
    return HistGradientBoostingClassifier(
        max_iter=120,
        learning_rate=0.08,
        min_samples_leaf=10,
        max_bins=64,
        class_weight="balanced",
        random_state=seed,
    )


_MAKERS: Final[Mapping[Method, Callable[[int, int], Classifier]]] = {
    "xgboost": _xgboost,
    "bagging": _bagging,
    "decision tree": _decision_tree,
    "perceptron": _perceptron,
    "gradient boosting": _gradient_boosting,
}
