"""Figures of merit of scores against labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from stream_worker.bundle import CLASSES
from stream_worker.scoring import Scores

IntArray = NDArray[np.int64]
NO = CLASSES.index("no")


def auc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Area under the receiver operating characteristic: chance that a positive outscores a negative.

    Ties count one half.

    Raises
    ------
    ValueError
        If all are positive or all negative.
    """
    n_positive = int(np.count_nonzero(positive))
    n_negative = positive.size - n_positive
    if not n_positive or not n_negative:
        raise ValueError(f"need positives and negatives, got {n_positive} and {n_negative}")
    rank_sum = float(rankdata(score)[positive].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def evaluate(labels: IntArray, scores: Scores, thresholds: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics of a bundle's manifest.

    ``accuracy_THRESHOLD`` is the unweighted mean of the two classes' accuracies (Viaña et al. 2025,
    sec. 7), ``class_accuracy`` that of the three; ``recall_*`` is per class.

    Parameters
    ----------
    labels
        Places in `CLASSES`, int64 [n]; every class must be present.
    """
    reviewed = labels != NO
    metrics = {"n": float(labels.size), "auc": auc(reviewed, scores.p_review)}
    for name, threshold in thresholds.items():
        passed = scores.p_review >= threshold
        metrics[f"accuracy_{name}"] = float((passed[reviewed].mean() + (~passed[~reviewed]).mean()) / 2)
    predicted = scores.class_probabilities.argmax(axis=1)
    recalls = [float((predicted[labels == number] == number).mean()) for number in range(len(CLASSES))]
    metrics["class_accuracy"] = float(np.mean(recalls))
    metrics |= {f"recall_{name}": recall for name, recall in zip(CLASSES, recalls, strict=True)}
    return metrics
