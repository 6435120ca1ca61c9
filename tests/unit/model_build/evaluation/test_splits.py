from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_build.evaluation.splits import (
    OtherStandardisation,
    ScoredSplit,
    confusion,
    score_set,
    split_figures,
)
from stream_worker.preprocessing import Standardisation


def test_confusion_counts_truth_in_rows():
    found = confusion(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 0, 2]), 3)
    assert found.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


def test_figures_of_a_split_by_hand():
    labels = np.array([0, 1, 2, 2])
    scored = ScoredSplit(np.array([0.97, 0.5, 0.46, 0.1]), np.eye(3)[[0, 2, 1, 2]], labels, np.arange(4))
    found = split_figures(scored, {"balanced": 0.45, "pure": 0.955}, 1)
    assert found.n == 4
    assert found.binary["balanced"].tolist() == [[2, 0], [1, 1]]
    assert found.binary["pure"].tolist() == [[1, 1], [0, 2]]
    assert found.binary_accuracy["balanced"].value == found.binary_accuracy["pure"].value == 0.75
    assert found.multiclass.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 1]]
    assert found.multiclass_accuracy.value == pytest.approx(0.5)
    assert found.sweep.mean.max() == 1.0  # between 0.46 and 0.5


def test_arrays_for_another_network_are_refused(bundle):
    class Set:
        path = "set"
        standardisation = Standardisation(bundle.standardisation.mean + 1.0, bundle.standardisation.sd)
        options = bundle.options

    with pytest.raises(OtherStandardisation, match="prepared for another network"):
        score_set(Set(), bundle, None, lambda *_: None)
    Set.standardisation, Set.options = bundle.standardisation, replace(bundle.options, max_points=99)
    with pytest.raises(OtherStandardisation, match="prepared for another network"):
        score_set(Set(), bundle, None, lambda *_: None)
