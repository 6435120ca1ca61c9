"""Compares a bundle with the Keras networks it was exported from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from model_build.golden import random_branches
from stream_worker.batching import Branches
from stream_worker.bundle import HEADS
from stream_worker.scoring import BatchScorer, Scores

TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest absolute differences of any output.

    ``keras``: to the Keras networks; ``alone``: to the same candidate scored on its own, i.e. without
    neighbours and padding; ``n`` candidates were compared.
    """

    n: int
    keras: float
    alone: float

    @property
    def passed(self) -> bool:
        """Whether both stay within `TOLERANCE`."""
        return max(self.keras, self.alone) <= TOLERANCE


def ragged_batches(
    rng: np.random.Generator, *, n: int = 8, size: int = 8, longest: int = 120
) -> list[list[Branches]]:
    """Batches of random branches up to ``longest`` rows, with empty and length-1 branches in each."""
    batches = []
    for _ in range(n):
        lengths = rng.integers(0, longest, (size, 3))
        lengths[rng.random((size, 3)) < 0.15] = 0
        lengths[rng.random((size, 3)) < 0.15] = 1
        lengths[lengths.sum(axis=1) == 0, 0] = 1
        batches.append([random_branches((int(a), int(b), int(c)), rng) for a, b, c in lengths])
    batches.append([random_branches((0, 0, 1), rng), random_branches((0, 0, 3), rng)])
    return batches


def measure_parity(
    oracle: Callable[[Sequence[Branches]], Scores], scorer: BatchScorer, batches: Sequence[list[Branches]]
) -> Parity:
    """Compare a scorer with the Keras networks, and its batches with single candidates."""
    keras = alone = 0.0
    for batch in batches:
        together = scorer.score(batch)
        keras = max(keras, _difference(together, oracle(batch)))
        singles = [scorer.score([branches]) for branches in batch]
        apart = Scores(
            np.concatenate([single.p_review for single in singles]),
            np.concatenate([single.class_probabilities for single in singles]),
        )
        alone = max(alone, _difference(together, apart))
    return Parity(n=sum(map(len, batches)), keras=keras, alone=alone)


def _difference(one: Scores, other: Scores) -> float:
    return max(float(np.abs(getattr(one, head) - getattr(other, head)).max()) for head in HEADS)
