"""Random networks, weak and strong."""

from __future__ import annotations

import numpy as np
import pytest

from model_build.bundle_writer import Release
from model_build.network import build_network
from stream_worker.preprocessing import PreprocessingOptions, Standardisation


def random_network(scale):
    """Network with normal weights of the given scale, biases included."""
    model = build_network()
    rng = np.random.default_rng(7)
    model.set_weights([rng.normal(0, scale, w.shape).astype(np.float32) for w in model.get_weights()])
    return model


@pytest.fixture(scope="session", params=[0.05, 0.3], ids=["small weights", "large weights"])
def network(request):
    """Trained weights have a standard deviation of 0.1; far above 0.3, float32 rounding itself grows."""
    return random_network(request.param)


@pytest.fixture(scope="session")
def small_network():
    return random_network(0.1)


@pytest.fixture(scope="session")
def release():
    return Release(
        name="lensnet-test",
        version="1.0",
        provisional=True,
        standardisation=Standardisation(np.zeros((3, 12)), np.ones((3, 12))),
        options=PreprocessingOptions(),
        training_data_sha256="0" * 64,
        git_commit=None,
        metrics={"auc": 0.5},
        model_card="# A random network\n",
    )
