"""Scores candidates with a bundle as the worker does, in whichever process is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from stream_worker.batching import Branches, length_sorted_batches
from stream_worker.bundle import CLASSES, Bundle, load_bundle
from stream_worker.preprocessing.light_curve import Float64Array
from stream_worker.scoring import Scorer, open_scorer

_BATCH: Final = 32


class BundleChanged(Exception):
    """The bundle on disk is another than the one that the evaluation began with."""


@dataclass(frozen=True, slots=True)
class BundleRef:
    """A bundle on disk, by its path and hash: what another process needs to open the same one."""

    path: Path
    sha256: str

    @classmethod
    def of(cls, bundle: Bundle) -> BundleRef:
        """Refer to a bundle that was loaded."""
        return cls(bundle.path.absolute(), bundle.sha256)

    def open(self) -> Scorer:
        """Return this process's scorer of the bundle.

        Raises
        ------
        BundleChanged
            If another bundle is there now.
        """
        return _scorer(self)


def score_branches(scorer: Scorer, inputs: Sequence[Branches]) -> tuple[Float64Array, Float64Array]:
    """Return p_review [n] and class probabilities [n, 3] of inputs in any order of length.

    Blocks for about 2 ms per candidate.

    Raises
    ------
    ScoringError
        As `Scorer.score`.
    """
    p_review, classes = np.empty(len(inputs)), np.empty((len(inputs), len(CLASSES)))
    for places in length_sorted_batches(inputs, _BATCH):
        scores = scorer.score([inputs[place] for place in places])
        p_review[list(places)] = scores.p_review
        classes[list(places)] = scores.class_probabilities
    return p_review, classes


@lru_cache(maxsize=1)
def _scorer(ref: BundleRef) -> Scorer:
    """Opened once per process: loading and verifying takes a second."""
    bundle = load_bundle(ref.path)
    if bundle.sha256 != ref.sha256:
        raise BundleChanged(f"{ref.path}: SHA-256 {bundle.sha256}, the evaluation began with {ref.sha256}")
    return open_scorer(bundle, provider="cpu", intra_op_threads=1)
