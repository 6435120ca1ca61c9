"""How often reviewers of light curves err, from reviews and the hidden truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from model_build.season.review import ARTEFACTS, EVENT


@dataclass(frozen=True, slots=True)
class PassRate:
    """How many reviews of one kind passed, of how many."""

    kind: str
    reviewed: int
    passed: int

    @property
    def rate(self) -> float:
        """Share that passed."""
        return self.passed / self.reviewed


@dataclass(frozen=True, slots=True)
class ReviewRates:
    """Errors of the light-curve review.

    Parameters
    ----------
    by_kind
        Pass rate of each hidden kind.
    false_pass
        Reviews passed by candidates that neither are events nor show on images what they are, as a share of
        all reviews of false candidates (ghosts of events not counted).
    miss
        Share of events failed.
    miss_by_snr
        The same for events with a rise of at least that signal-to-noise ratio, below the next.
    """

    by_kind: tuple[PassRate, ...]
    false_pass: float
    miss: float
    miss_by_snr: Mapping[float, float]


def review_rates(
    kinds: Sequence[str],
    passed: Sequence[bool],
    snr: Sequence[float],
    edges: Iterable[float] = (0, 10, 15, 25, 50),
) -> ReviewRates:
    """Return the error rates of reviews, one entry each of ``kinds``, ``passed`` and ``snr``; NaN of none."""
    kind, ok, height = np.asarray(kinds), np.asarray(passed, dtype=bool), np.asarray(snr, dtype=np.float64)
    event = kind == EVENT
    false = ~event & (kind != "ghost")
    plain = false & ~np.isin(kind, sorted(ARTEFACTS))
    bounds = [*edges, np.inf]
    bins = {
        float(low): _share(~ok[event & (height >= low) & (height < high)]) for low, high in pairwise(bounds)
    }
    by_kind = tuple(
        PassRate(str(name), int(np.sum(kind == name)), int(np.sum(ok[kind == name])))
        for name in np.unique(kind)
    )
    return ReviewRates(by_kind, _share(ok[false] & plain[false]), _share(~ok[event]), bins)


def _share(hits: NDArray[np.bool_]) -> float:
    return float(np.mean(hits)) if hits.size else float("nan")
