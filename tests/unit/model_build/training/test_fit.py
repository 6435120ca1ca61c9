from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from model_build.augment import Losses
from model_build.metrics import auc
from model_build.network_options import NetworkOptions
from model_build.training.fit import score_with_network, train
from model_build.training.history import COLUMNS, weighted_loss
from model_build.training.options import TrainingOptions
from model_build.training.run_folder import BadRun, read_best, read_checkpoint, read_run

OPTIONS = TrainingOptions(
    network=NetworkOptions(
        lstm_units=8, dense=(8,), patch=2, observation_units=4, pooling="attention", shared=True
    ),
    epochs=5,
    batch_size=16,
    learning_rate=1e-2,
    averaging=0.3,
    losses=Losses(rows=0.3),
)


@pytest.fixture(scope="module")
def trained(small_set, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    told = []
    return train(small_set, folder, OPTIONS, task="both", seed=2, report=told.append), folder, told


def test_it_learns_what_there_is_to_learn(small_set, trained):
    result, _, told = trained
    places = small_set.places("test", "labelled")
    scores = score_with_network(result.model, small_set.examples(places))
    labels = small_set.labels[places]
    assert auc(labels != 2, scores.p_review) > 0.9
    assert (scores.class_probabilities.argmax(axis=1) == labels).mean() > 0.6
    assert [epoch.number for epoch in told] == list(range(1, len(told) + 1))
    assert told[-1].validation_loss < told[0].validation_loss


def test_the_best_epoch_is_kept(small_set, trained):
    result, folder, told = trained
    places = small_set.places("validation", "labelled")
    scores = score_with_network(result.model, small_set.examples(places))
    weights = (small_set.review_weights, small_set.class_weights)
    found = weighted_loss(small_set.labels[places], scores, *weights, "both")
    assert found == pytest.approx(min(epoch.validation_loss for epoch in told), abs=1e-6)
    best = read_best(folder)
    for weight in result.model.weights:
        np.testing.assert_array_equal(best[weight.path], weight.numpy())


def test_the_history_can_be_plotted(trained):
    _, folder, told = trained
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [float(row["validation_loss"]) for row in rows] == pytest.approx(
        [epoch.validation_loss for epoch in told], rel=1e-5
    )
    assert list((folder / "tensorboard").glob("events.*"))


def test_interrupted_and_resumed_it_ends_with_the_same_weights(small_set, trained, tmp_path):
    whole, _, told = trained

    def strike(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small_set, tmp_path, OPTIONS, task="both", seed=2, report=strike)
    assert len(read_checkpoint(tmp_path).epochs) == 2
    again = train(small_set, tmp_path, OPTIONS, task="both", seed=2)
    assert again.epochs == tuple(told)
    for found, expected in zip(again.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_another_seed_gives_other_weights(small_set, trained, tmp_path):
    other = train(small_set, tmp_path, replace(OPTIONS, epochs=1), task="both", seed=3)
    assert np.abs(other.model.get_weights()[0] - trained[0].model.get_weights()[0]).max() > 1e-3


@pytest.mark.parametrize(
    ("task", "head", "other"),
    [("binary", "p_review", "class_probabilities"), ("multiclass", "class_probabilities", "p_review")],
)
def test_a_task_trains_its_head_only(small_set, tmp_path, task, head, other):
    import keras

    from model_build.network import build_network

    keras.utils.set_random_seed(4)
    before = {w.path: w.numpy() for w in build_network(OPTIONS.network).weights}
    model = train(small_set, tmp_path, replace(OPTIONS, epochs=1), task=task, seed=4).model
    moved = {w.path.split("/")[0] for w in model.weights if np.any(w.numpy() != before[w.path])}
    assert other not in moved
    assert {"dense_1", head} <= moved


def test_it_stops_without_improvement(small_set, tmp_path):
    options = replace(OPTIONS, epochs=9, learning_rate=1e-9, schedule="constant", patience=2)
    places = small_set.places("train", "labelled")[:32]
    assert len(train(small_set, tmp_path, options, task="both", seed=1, places=places).epochs) < 9


def test_a_run_remembers_what_it_was_asked_for(small_set, trained):
    run = read_run(trained[1])
    assert (run.options, run.task, run.seed, run.training_set) == (OPTIONS, "both", 2, small_set.sha256)


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(BadRun, match=r"run.json is missing"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text('{"run_version": 9}')
    with pytest.raises(BadRun, match="expected run_version 1"):
        read_run(tmp_path)
    (tmp_path / "checkpoint.npz").write_bytes(b"half a check")
    with pytest.raises(BadRun, match="no readable checkpoint"):
        read_checkpoint(tmp_path)
