from __future__ import annotations

import keras
import numpy as np
import pytest

from model_build.golden import random_branches
from model_build.network import build_network
from model_build.network_options import NetworkOptions
from stream_worker.bundle import BRANCHES, HEADS
from stream_worker.preprocessing import FEATURES
from stream_worker.scoring import pad


def batch_of(*lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [random_branches(row, rng) for row in lengths]


def model_of(networks):
    return networks.graphs["lensnet"].model


def test_heads_are_probabilities(network):
    scores = network.predict(batch_of((5, 3, 2), (0, 0, 1), (1, 0, 0)))
    assert scores.p_review.shape == (3,)
    assert ((scores.p_review > 0) & (scores.p_review < 1)).all()
    np.testing.assert_allclose(scores.class_probabilities.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 8, 9])
def test_padding_is_invisible(network, rows):
    short, long = batch_of((rows, 2, 0), (60, 50, 41))
    alone, beside = network.predict([short]), network.predict([short, long])
    np.testing.assert_allclose(alone.p_review[0], beside.p_review[0], atol=1e-6)
    np.testing.assert_allclose(alone.class_probabilities[0], beside.class_probabilities[0], atol=1e-6)


def test_the_papers_network_is_that_of_masked_lstms():
    """Masking is what the paper's framework offers; states up to the last observation give the same."""
    inputs = [keras.Input((None, len(FEATURES)), name=branch) for branch in BRANCHES]
    states = [
        keras.layers.LSTM(64, name=f"lstm_{branch}")(keras.layers.Masking()(series))
        for branch, series in zip(BRANCHES, inputs, strict=True)
    ]
    hidden = keras.layers.Dense(64, activation="relu")(keras.layers.Concatenate()(states))
    hidden = keras.layers.Dense(32, activation="relu")(hidden)
    p_review = keras.layers.Dense(1, activation="sigmoid")(hidden)
    classes = keras.layers.Dense(3, activation="softmax")(hidden)
    masked = keras.Model(inputs, {"p_review": p_review, "class_probabilities": classes})
    model = build_network()
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.2, w.shape).astype(np.float32) for w in model.get_weights()])
    masked.set_weights(model.get_weights())
    padded = pad(batch_of((4, 2, 0), (60, 50, 40), (0, 1, 0), (17, 0, 33)))
    batch = [padded[branch] for branch in BRANCHES]
    expected, found = masked.predict_on_batch(batch), model.predict_on_batch(batch)
    for head in HEADS:
        np.testing.assert_allclose(found[head], expected[head], atol=1e-6)


def test_empty_sites_leave_the_dense_layers_biases(small_network):
    weights = {w.path: w.numpy() for w in model_of(small_network).weights}
    hidden = np.zeros(weights["dense_1/kernel"].shape[0], np.float32)
    for layer in ("dense_1", "dense_2"):
        hidden = np.maximum(hidden @ weights[f"{layer}/kernel"] + weights[f"{layer}/bias"], 0)
    logit = (hidden @ weights["p_review/kernel"] + weights["p_review/bias"])[0]
    empty = batch_of((0, 0, 0))
    assert small_network.predict(empty).p_review[0] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)


@pytest.mark.parametrize("shared", [False, True])
def test_sites_have_weights_of_their_own_unless_shared(shared):
    paths = [w.path for w in build_network(NetworkOptions(shared=shared)).weights]
    names = ["sites"] if shared else list(BRANCHES)
    found = [path for path in paths if path.endswith("recurrent_kernel")]
    assert found == [f"lstm_{name}/lstm_cell/recurrent_kernel" for name in names]


def test_what_is_not_looked_at_changes_nothing():
    options = NetworkOptions(sites=("saao",), without=("fit_line", "fwhm"), observation_units=4)
    model = build_network(options)
    one, other = (pad(batch_of((9, 9, 9), seed=seed)) for seed in (1, 2))
    other["saao"] = one["saao"].copy()
    other["saao"][..., [FEATURES.index("fit_line"), FEATURES.index("fwhm")]] += 3.0
    found = [model.predict_on_batch([inputs[b] for b in BRANCHES])["p_review"] for inputs in (one, other)]
    np.testing.assert_array_equal(*found)
    other["saao"][..., FEATURES.index("flux")] += 1.0
    changed = model.predict_on_batch([other[b] for b in BRANCHES])["p_review"]
    assert np.abs(changed - found[0]).max() > 1e-4


def test_impossible_networks_are_refused_with_every_fault():
    with pytest.raises(ValueError, match="'atlantis'") as error:
        NetworkOptions(sites=("atlantis",), without=("one", "colour"), patch=0, dropout=1.0)
    for fault in ("'colour' is no feature", "patch must be at least 1", "'one' tells", "dropout"):
        assert fault in str(error.value)
