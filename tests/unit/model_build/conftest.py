"""Random networks, weak and strong, and a small labelled season."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from model_build.bundle_writer import Release
from model_build.network_options import NetworkOptions
from model_build.season.truth import TRUTH_FILE, read_truth, write_truth
from stream_worker.candidate import Candidate
from stream_worker.codec import read_candidates, write_candidates
from stream_worker.preprocessing import LightCurve, PreprocessingOptions, Standardisation

PATCHED = NetworkOptions(
    observation_units=8, patch=4, pooling="attention", shared=True, lstm_units=16, dense=(16, 8)
)


def random_network(scale, options):
    """Networks with normal weights of the given scale, biases included."""
    from model_build.network import build_network  # TensorFlow takes seconds, most tests here need none
    from model_build.network_bundle import two_headed

    model = build_network(options)
    rng = np.random.default_rng(7)
    model.set_weights([rng.normal(0, scale, w.shape).astype(np.float32) for w in model.get_weights()])
    return two_headed(model, options)


@pytest.fixture(
    scope="session",
    params=[
        (0.05, NetworkOptions()),
        (0.3, NetworkOptions()),
        (0.3, PATCHED),
        (0.1, NetworkOptions(encoder="cnn", patch=2, sites=("ctio", "sso"), without=("airmass",))),
    ],
    ids=["small weights", "large weights", "patches", "convolutions"],
)
def network(request):
    """Trained weights have a standard deviation of 0.1; far above 0.3, float32 rounding itself grows."""
    return random_network(*request.param)


@pytest.fixture(scope="session")
def small_network():
    return random_network(0.1, PATCHED)


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
    """The same with all stars labelled in turn yes, maybe and no, each a cluster of its own.

    Light curves are short, to train quickly.
    """
    folder = tmp_path_factory.mktemp("labelled") / "season"
    shutil.copytree(stream_archive, folder)
    for path in folder.glob("run-*.avro"):
        write_candidates(path, [shortened(candidate) for candidate in read_candidates(path)])
    rows = read_truth(folder / TRUTH_FILE)
    last = {row.star_id: row.candidate_id for row in rows}
    number = {star_id: n for n, star_id in enumerate(last)}
    labelled = [
        replace(
            row,
            label=("yes", "maybe", "no")[number[row.star_id] % 3],
            selected=row.candidate_id == last[row.star_id],
            cluster=number[row.star_id],
        )
        for row in rows
    ]
    write_truth(folder / TRUTH_FILE, labelled)
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
