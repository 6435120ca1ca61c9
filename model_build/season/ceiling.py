"""How well anything can do on these labels, and how well simple classifiers do (reported, not enforced)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from model_build.season.labels import Label
from model_build.season.truth import TruthRow
from stream_worker.preprocessing.light_curve import Float64Array, IntArray

CLASSES: Final = tuple(label.value for label in Label)
_FOLDS: Final = 5
_EVENT_COLUMNS: Final = ("t_E", "u_0", "rho", "f_s", "q", "s")


@dataclass(frozen=True, slots=True)
class Score:
    """Cross-validated accuracies; balanced ones are unweighted means over the classes.

    ``two_class`` is Yes and Maybe against No, from the summed probabilities at 0.5; ``three_class`` the
    likeliest of yes, maybe, no; ``recall`` by class of the latter.
    """

    two_class: float
    two_class_balanced: float
    three_class: float
    three_class_balanced: float
    recall: Mapping[str, float]


def cross_validate(features: Float64Array, labels: Sequence[str], clusters: IntArray, seed: int) -> Score:
    """Score `cross_validated` probabilities; parameters and errors are its."""
    return score(cross_validated(features, labels, clusters, seed), labels)


def cross_validated(
    features: Float64Array, labels: Sequence[str], clusters: IntArray, seed: int
) -> Float64Array:
    """Predict by gradient boosting in five-fold cross-validation, clusters never torn apart.

    Parameters
    ----------
    features : float64 [n, k]
        NaN where a value is missing.
    labels
        yes, maybe or no; each class in at least five clusters.
    clusters : int [n]
        Stars of one cluster share a number.
    seed
        Of folds and classifier.

    Returns
    -------
    float64 [n, 3]
        Probabilities of `CLASSES`, of each row by the classifier that saw neither it nor its cluster.

    Raises
    ------
    ValueError
        If lengths differ, a label is unknown or a class has fewer than five clusters.
    """
    y = _encoded(labels)
    if not len(features) == y.size == len(clusters):
        raise ValueError(
            f"{len(features)} rows, {y.size} labels and {len(clusters)} clusters must be as many"
        )
    few = [name for i, name in enumerate(CLASSES) if np.unique(clusters[y == i]).size < _FOLDS]
    if few:
        raise ValueError(f"fewer than {_FOLDS} clusters of class {', '.join(few)}")
    probability = np.zeros((y.size, len(CLASSES)))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    with threadpool_limits(1):  # threads cost more than they give on tables this small
        for train, test in folds.split(features, y, clusters):
            known = np.isfinite(features[train]).any(axis=0)
            model = HistGradientBoostingClassifier(
                max_iter=120,
                learning_rate=0.08,
                min_samples_leaf=10,
                max_bins=64,
                class_weight="balanced",
                random_state=seed,
            )
            model.fit(features[np.ix_(train, known)], y[train])
            probability[np.ix_(test, model.classes_)] = model.predict_proba(features[np.ix_(test, known)])
    return probability


def score(probability: Float64Array, labels: Sequence[str]) -> Score:
    """Score class probabilities float64 [n, 3] (yes, maybe, no) against labels."""
    y = _encoded(labels)
    hit = np.argmax(probability, axis=1) == y
    positive = probability[:, :2].sum(axis=1) >= 0.5
    right = positive == (y < 2)
    recall = {name: _share(hit[y == i]) for i, name in enumerate(CLASSES)}
    return Score(
        two_class=_share(right),
        two_class_balanced=float(np.mean([_share(right[y < 2]), _share(right[y == 2])])),
        three_class=_share(hit),
        three_class_balanced=float(np.nanmean(list(recall.values()))),
        recall=recall,
    )


def oracle_ceiling(rows: Sequence[TruthRow], seed: int) -> Score:
    """Score a classifier that knows the hidden truth up to t_cut against the rows' labels.

    It knows what the candidate is, its event, how bright the star is, when in the event the run took
    place, and what an unerring reviewer makes of the light curve up to t_cut: all but the human errors
    in the labels. Cross-validated by cluster; every row needs a label.
    """
    labels = [row.label or "" for row in rows]
    clusters = np.array([row.cluster for row in rows])
    return cross_validate(truth_features(rows), labels, clusters, seed)


def truth_features(rows: Sequence[TruthRow]) -> Float64Array:
    """Hidden truth up to t_cut as numbers, float64 [n, k], NaN where something has no meaning."""
    kinds = sorted({row.kind for row in rows})
    columns = [[float(row.kind == kind) for row in rows] for kind in kinds]
    columns += [[_number(getattr(row, name)) for row in rows] for name in _EVENT_COLUMNS]
    columns.append([_number(row.review_score) for row in rows])
    columns.append([_number(row.rise_snr) for row in rows])
    columns.append([row.i_base for row in rows])
    columns.append([_phase(row) for row in rows])
    return np.array(columns).T


def _phase(row: TruthRow) -> float:
    """Time since the peak in t_E."""
    return np.nan if row.t_0 is None or row.t_E is None else (row.t_cut - row.t_0) / row.t_E


def _number(value: float | None) -> float:
    """Return the value, NaN for None and infinities."""
    return float(value) if value is not None and np.isfinite(value) else np.nan


def _encoded(labels: Sequence[str]) -> IntArray:
    unknown = sorted({label for label in labels if label not in CLASSES})
    if unknown:
        raise ValueError(f"labels must be {', '.join(CLASSES)}, got {unknown[0]!r}")
    return np.array([CLASSES.index(label) for label in labels], dtype=np.intp)


def _share(hits: NDArray[np.bool_]) -> float:
    return float(np.mean(hits)) if hits.size else float("nan")
