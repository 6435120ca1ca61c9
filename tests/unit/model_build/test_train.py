"""Training proper: on candidates made so that one feature tells the label."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from model_build.dataset import Example, Split
from model_build.metrics import auc
from model_build.train import TrainingOptions, score_with_network, train
from stream_worker.preprocessing import FEATURES

OPTIONS = TrainingOptions(epochs=6, seed=2, batch_size=16, learning_rate=1e-2, max_rows=12, whole_epochs=1)


def example(label, rng):
    sites = []
    for n in rng.integers(0, 20, 3):
        rows = rng.normal(0, 1, (n, len(FEATURES)))
        rows[:, FEATURES.index("flux")] += (2 - label) * 2.0
        rows[:, FEATURES.index("one") :] = 1.0
        sites.append(rows)
    return Example(SimpleNamespace(sites=tuple(sites)), label, int(rng.integers(1 << 40)))


def examples(n, seed):
    rng = np.random.default_rng(seed)
    made = [example(place % 3, rng) for place in range(n)]
    return tuple(e for e in made if any(map(len, e.prepared.sites)))


@pytest.fixture(scope="module")
def split():
    return Split(examples(240, 0), examples(48, 1), examples(90, 2))


@pytest.fixture(scope="module")
def trained(split):
    epochs = []
    return train(split, OPTIONS, epochs.append), epochs


def test_it_learns_what_there_is_to_learn(trained):
    result, epochs = trained
    scores = score_with_network(result.model, result.test.branches)
    assert auc(result.test.labels != 2, scores.p_review) > 0.9
    assert (scores.class_probabilities.argmax(axis=1) == result.test.labels).mean() > 0.6
    assert epochs[-1].validation_loss < epochs[0].validation_loss
    assert [epoch.number for epoch in epochs] == list(range(1, len(epochs) + 1))


def test_the_best_epoch_is_kept(trained, split):
    from model_build.train import LabelledBranches, _Targets, _validation_loss
    from stream_worker.preprocessing import standardise

    result, epochs = trained
    validation = LabelledBranches(
        tuple(standardise(e.prepared, result.standardisation) for e in split.validation),
        np.array([e.label for e in split.validation]),
    )
    targets = _Targets(np.array([e.label for e in split.train]))
    found = _validation_loss(result.model, validation, targets, OPTIONS.batch_size)
    assert found == pytest.approx(min(epoch.validation_loss for epoch in epochs), abs=1e-5)


def test_the_standardisation_is_the_training_part_s_own(trained, split):
    from stream_worker.preprocessing import fit_standardisation

    expected = fit_standardisation(e.prepared for e in split.train)
    np.testing.assert_array_equal(trained[0].standardisation.mean, expected.mean)


def test_it_stops_without_improvement(split):
    epochs = []
    options = TrainingOptions(epochs=9, batch_size=64, learning_rate=1e-9, patience=2, max_rows=8)
    train(Split(split.train[:30], split.validation[:12], ()), options, epochs.append)
    assert len(epochs) < 9


def test_scores_keep_the_order_of_the_candidates(trained):
    result, _ = trained
    together = score_with_network(result.model, result.test.branches, batch_size=8)
    for place in (0, 5, 17):
        alone = score_with_network(result.model, [result.test.branches[place]])
        assert abs(alone.p_review[0] - together.p_review[place]) <= 1e-6


def test_a_class_without_examples_is_refused(split):
    only = tuple(e for e in split.train if e.label != 1)
    with pytest.raises(ValueError, match="every one of 3 classes"):
        train(Split(only, split.validation, split.test), OPTIONS)
