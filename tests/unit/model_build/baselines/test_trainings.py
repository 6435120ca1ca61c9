from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_build.baselines import trainings
from model_build.baselines.trainings import score_run, subset, train_and_score
from model_build.network_options import NetworkOptions
from model_build.training.options import TrainingOptions
from model_build.training.run_folder import BadRun, write_best

OPTIONS = TrainingOptions(
    network=NetworkOptions(lstm_units=4, dense=(4,), patch=2, sites=("ctio",)), epochs=2, batch_size=32
)


def train(made_set, cache, options=OPTIONS, told=None):
    places = subset(made_set, 96, 1)
    progress = (lambda *step: None) if told is None else (lambda *step: told.append(step))
    return train_and_score("ctio_only", made_set, options, places, 1, cache, progress)


@pytest.fixture(scope="module")
def trained(made_set, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    told = []
    return train(made_set, cache, told=told), cache, told


def test_the_subset_is_of_the_training_split_and_the_same_again(made_set):
    places = subset(made_set, 96, 1)
    assert places.size == 96
    assert set(places) <= set(made_set.places("train", "labelled", "crop").tolist())
    np.testing.assert_array_equal(places, subset(made_set, 96, 1))
    assert subset(made_set, 10_000, 1).size == 240


def test_epochs_are_told_and_both_splits_scored(made_set, trained):
    found, _, told = trained
    assert told == [("ctio_only: epochs", 1, 2), ("ctio_only: epochs", 2, 2)]
    assert found.validation.p_review.size == made_set.places("validation", "labelled").size
    assert found.test.class_probabilities.shape == (made_set.places("test", "labelled").size, 3)


def test_what_is_done_is_not_done_again(made_set, trained):
    found, cache, _ = trained
    told = []
    again = train(made_set, cache, told=told)
    assert told == []
    np.testing.assert_array_equal(again.test.p_review, found.test.p_review)


def test_an_interrupted_training_goes_on_to_the_same_scores(made_set, trained, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    places = subset(made_set, 96, 1)
    with pytest.raises(KeyboardInterrupt):
        train_and_score("ctio_only", made_set, OPTIONS, places, 1, tmp_path, interrupt)
    told = []
    found = train(made_set, tmp_path, told=told)
    assert [epoch for _, epoch, _ in told] == [2]
    np.testing.assert_allclose(found.test.p_review, trained[0].test.p_review, atol=1e-6)


def test_other_options_are_another_training(made_set, trained):
    _, cache, _ = trained
    told = []
    train(made_set, cache, replace(OPTIONS, epochs=1), told)
    assert told == [("ctio_only: epochs", 1, 1)]


def test_a_run_is_scored_with_its_best_weights(made_set, trained, tmp_path):
    found, cache, _ = trained
    (run,) = (path for path in cache.iterdir() if list(path.glob("tensorboard")) and _epochs(path) == 2)
    scores = score_run(run, made_set, tmp_path)
    np.testing.assert_allclose(scores.test.p_review, found.test.p_review, atol=1e-6)


def test_a_run_of_another_set_or_network_is_refused(made_set, trained, tmp_path):
    _, cache, _ = trained
    run = next(path for path in cache.iterdir() if _epochs(path) == 2)
    other = replace(made_set, manifest={"content_sha256": "f" * 64})
    with pytest.raises(BadRun, match=r"trained on a set of SHA-256 0+, made has f+: another set"):
        score_run(run, other, tmp_path)
    with pytest.raises(BadRun, match=r"run\.json is missing"):
        score_run(tmp_path, made_set, tmp_path)
    spoilt = tmp_path / "spoilt"
    spoilt.mkdir()
    (spoilt / "run.json").write_bytes((run / "run.json").read_bytes())
    write_best(spoilt, {"strange": np.zeros(3, np.float32)})
    with pytest.raises(BadRun, match="these weights are of another network: strange"):
        score_run(spoilt, made_set, tmp_path)


def test_spoilt_scores_are_made_anew(made_set, trained, tmp_path):
    (tmp_path / "scores.npz").write_bytes(b"PK\x03\x04 cut")
    assert trainings._load(tmp_path / "scores.npz") is None


def _epochs(folder):
    from model_build.training.run_folder import read_run

    return read_run(folder).options.epochs
