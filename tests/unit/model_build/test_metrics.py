from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_build.metrics import auc, evaluate
from stream_worker.scoring import Scores


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_auc_is_the_share_of_pairs_in_order(cases):
    positive = np.array([p for p, _ in cases])
    score = np.array([s for _, s in cases], float)
    if positive.all() or not positive.any():
        with pytest.raises(ValueError, match="positives and negatives"):
            auc(positive, score)
        return
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in score[positive] for b in score[~positive]]
    assert auc(positive, score) == pytest.approx(np.mean(pairs))


def test_figures_of_a_small_case():
    labels = np.array([0, 0, 1, 2, 2, 2])
    scores = Scores(
        np.array([0.99, 0.5, 0.4, 0.6, 0.1, 0.2]),
        np.array([[0.8, 0.1, 0.1], [0.4, 0.5, 0.1], [0.2, 0.7, 0.1], *[[0.1, 0.2, 0.7]] * 3]),
    )
    found = evaluate(labels, scores, {"balanced": 0.45, "pure": 0.955})
    assert found["n"] == 6
    assert found["auc"] == pytest.approx(7 / 9)
    assert found["accuracy_balanced"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert found["accuracy_pure"] == pytest.approx((1 / 3 + 1) / 2)
    assert found["recall_yes"] == pytest.approx(0.5)
    assert found["recall_maybe"] == 1
    assert found["class_accuracy"] == pytest.approx(2.5 / 3)
