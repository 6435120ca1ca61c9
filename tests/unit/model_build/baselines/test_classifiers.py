from __future__ import annotations

import numpy as np
import pytest

from model_build.baselines.catalogue import ON_FEATURES
from model_build.baselines.classifiers import fit_and_score
from model_build.metrics import auc

METHODS = sorted({one.method for one in ON_FEATURES.values()})


def told(seed, n=240):
    """Two columns that tell the class, one unknown, one of noise; holes and an infinity."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    features = rng.normal(0, 1, (n, 4))
    features[:, 0] += 4.0 * (labels == 2)
    features[:, 1] += 4.0 * (labels == 1)
    features[:, 2] = np.nan
    features[rng.random(n) < 0.05, 0] = np.nan
    features[0, 3] = np.inf
    return features, labels


@pytest.mark.parametrize("method", METHODS)
def test_each_method_learns_what_there_is_to_learn(method):
    features, labels = told(1)
    others, theirs = told(2, 90)
    one, two = fit_and_score(method, features, labels, [others, others[:10]], 1)
    assert auc(theirs != 2, one.p_review) > 0.9
    assert (one.class_probabilities.argmax(axis=1) == theirs).mean() > 0.8
    np.testing.assert_allclose(one.class_probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert one.p_review.min() >= 0.0
    assert one.p_review.max() <= 1.0
    np.testing.assert_allclose(two.p_review, one.p_review[:10], atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_equal_seeds_give_equal_scores(method):
    features, labels = told(1)
    first, again = (fit_and_score(method, features, labels, [features], 5)[0] for _ in range(2))
    np.testing.assert_array_equal(first.p_review, again.p_review)
    np.testing.assert_array_equal(first.class_probabilities, again.class_probabilities)


def test_noise_tells_nothing():
    rng = np.random.default_rng(3)
    labels = np.arange(300) % 3
    scores = fit_and_score("bagging", rng.normal(size=(300, 4)), labels, [rng.normal(size=(300, 4))], 1)[0]
    assert abs(auc(labels != 2, scores.p_review) - 0.5) < 0.15


def test_a_missing_class_is_named():
    features, labels = told(1)
    with pytest.raises(ValueError, match="no star of class maybe to train on"):
        fit_and_score("xgboost", features[labels != 1], labels[labels != 1], [features], 1)
