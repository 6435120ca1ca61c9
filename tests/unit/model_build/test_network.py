from __future__ import annotations

import numpy as np
import pytest

from model_build.golden import random_branches
from model_build.network import build_network, predict, without_masking
from stream_worker.scoring import pad


def batch_of(*lengths):
    rng = np.random.default_rng(0)
    return [random_branches(row, rng) for row in lengths]


def test_heads_are_probabilities(network):
    scores = predict(network, batch_of((5, 3, 2), (0, 0, 1), (1, 0, 0)))
    assert scores.p_review.shape == (3,)
    assert ((scores.p_review > 0) & (scores.p_review < 1)).all()
    np.testing.assert_allclose(scores.class_probabilities.sum(axis=1), 1, atol=1e-6)


def test_masking_makes_padding_invisible(network):
    short, long = batch_of((4, 2, 0), (60, 50, 40))
    np.testing.assert_allclose(
        predict(network, [short]).p_review[0], predict(network, [short, long]).p_review[0], atol=1e-6
    )


def test_left_padding_gives_the_same(network):
    (branches,) = batch_of((6, 4, 5))
    right = pad([branches, batch_of((20, 20, 20))[0]])
    left = {
        name: np.roll(right[name], 20 - len(series), axis=1)
        for name, series in zip(("ctio", "saao", "sso"), branches, strict=True)
    }
    expected = predict(network, [branches]).p_review[0]
    found = network([array[:1] for array in left.values()], training=False)["p_review"]
    assert abs(float(found[0, 0]) - expected) <= 1e-6


def test_without_masking_padding_is_read_as_data(small_network):
    """Why the exported graph needs the true lengths."""
    unmasked = without_masking(small_network)
    short, long = batch_of((4, 2, 0), (60, 50, 40))
    inputs = pad([short, long])
    found = unmasked([inputs[b] for b in ("ctio", "saao", "sso")], training=False)["p_review"]
    assert abs(float(found[0, 0]) - predict(small_network, [short]).p_review[0]) > 1e-3


def test_an_empty_site_gives_the_zero_state(small_network):
    """All sites empty: only the dense layers' biases are left."""
    weights = {w.path: w.numpy() for w in small_network.weights}
    hidden = np.zeros(192, np.float32)
    for layer in ("dense_1", "dense_2"):
        hidden = np.maximum(hidden @ weights[f"{layer}/kernel"] + weights[f"{layer}/bias"], 0)
    logit = (hidden @ weights["p_review/kernel"] + weights["p_review/bias"])[0]
    empty = batch_of((0, 0, 0))
    assert predict(small_network, empty).p_review[0] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)


def test_sites_have_weights_of_their_own():
    paths = [w.path for w in build_network().weights]
    assert [p for p in paths if p.endswith("recurrent_kernel")] == [
        f"lstm_{site}/lstm_cell/recurrent_kernel" for site in ("ctio", "saao", "sso")
    ]
