"""Compares a bundle with the masked network it was exported from."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_build.golden import random_branches
from model_build.network import Model, build_network, predict
from stream_worker.batching import Branches
from stream_worker.bundle import HEADS, Bundle
from stream_worker.scoring import BatchScorer, Scores

TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest absolute differences of any output.

    ``keras``: to the masked Keras network; ``alone``: to the same candidate scored on its own, i.e.
    without neighbours and padding; ``n`` candidates were compared.
    """

    n: int
    keras: float
    alone: float

    @property
    def passed(self) -> bool:
        """Whether both stay within `TOLERANCE`."""
        return max(self.keras, self.alone) <= TOLERANCE


def ragged_batches(rng: np.random.Generator, *, n: int = 8, size: int = 8) -> list[list[Branches]]:
    """Batches of random branches up to 120 rows, with empty and length-1 branches in each."""
    batches = []
    for _ in range(n):
        lengths = rng.integers(0, 120, (size, 3))
        lengths[rng.random((size, 3)) < 0.15] = 0
        lengths[rng.random((size, 3)) < 0.15] = 1
        lengths[lengths.sum(axis=1) == 0, 0] = 1
        batches.append([random_branches((int(a), int(b), int(c)), rng) for a, b, c in lengths])
    batches.append([random_branches((0, 0, 1), rng), random_branches((0, 0, 3), rng)])
    return batches


def measure_parity(model: Model, scorer: BatchScorer, batches: Sequence[list[Branches]]) -> Parity:
    """Compare a scorer with the masked network, and its batches with single candidates."""
    keras = alone = 0.0
    for batch in batches:
        together = scorer.score(batch)
        keras = max(keras, _difference(together, predict(model, batch)))
        singles = [scorer.score([branches]) for branches in batch]
        apart = Scores(
            np.concatenate([single.p_review for single in singles]),
            np.concatenate([single.class_probabilities for single in singles]),
        )
        alone = max(alone, _difference(together, apart))
    return Parity(n=sum(map(len, batches)), keras=keras, alone=alone)


def masked_network(bundle: Bundle) -> Model:
    """Rebuild the masked Keras network from the weights kept in a bundle with one two-headed graph.

    Raises
    ------
    ValueError
        If the bundle has separate graphs, or keeps no weights, or they don't fit the network.
    """
    names = {getattr(bundle.manifest.outputs, head).graph for head in HEADS}
    graph = bundle.manifest.graphs[min(names)]
    if len(names) != 1 or graph.weights is None:
        raise ValueError(f"bundle {bundle.path} keeps no weights of one two-headed network")
    with np.load(io.BytesIO(bundle.files[graph.weights]), allow_pickle=False) as archive:
        weights = {name: archive[name] for name in archive.files}
    model = build_network()
    found = {weight.path: tuple(weight.shape) for weight in model.weights}
    if found != {name: array.shape for name, array in weights.items()}:
        raise ValueError(f"weights of bundle {bundle.path} don't fit the network: {sorted(weights)}")
    model.set_weights([weights[weight.path] for weight in model.weights])
    return model


def _difference(one: Scores, other: Scores) -> float:
    return max(float(np.abs(getattr(one, head) - getattr(other, head)).max()) for head in HEADS)
