"""Random networks, weak and strong, and a small labelled season."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from model_build.bundle_writer import Release
from model_build.season.truth import TRUTH_FILE, read_truth, write_truth
from stream_worker.candidate import Candidate
from stream_worker.codec import read_candidates, write_candidates
from stream_worker.preprocessing import LightCurve, PreprocessingOptions, Standardisation


def random_network(scale):
    """Network with normal weights of the given scale, biases included."""
    from model_build.network import build_network  # TensorFlow takes seconds, most tests here need none

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


@pytest.fixture(scope="session")
def labelled_archive(stream_archive, tmp_path_factory) -> Path:
    """The same as if each candidate were of a star of its own, labelled in turn yes, maybe and no.

    Light curves are short, to train quickly.
    """
    folder = tmp_path_factory.mktemp("labelled") / "season"
    shutil.copytree(stream_archive, folder)
    for path in folder.glob("run-*.avro"):
        write_candidates(path, [shortened(candidate) for candidate in read_candidates(path)])
    rows = [
        replace(row, label=("yes", "maybe", "no")[n % 3], selected=True, cluster=n)
        for n, row in enumerate(read_truth(folder / TRUTH_FILE))
    ]
    write_truth(folder / TRUTH_FILE, rows)
    return folder


def shortened(candidate: Candidate, points: int = 50) -> Candidate:
    """The candidate with the newest points of each light curve only."""
    curves = [
        replace(curve, **{name: column[-points:] for name, column in columns_of(curve).items()})
        for curve in candidate.light_curves
    ]
    return replace(candidate, light_curves=tuple(curves))


def columns_of(curve: LightCurve) -> dict[str, np.ndarray]:
    values = {field.name: getattr(curve, field.name) for field in fields(curve)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
