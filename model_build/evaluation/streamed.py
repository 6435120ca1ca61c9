"""All figures of a natural stream: announcing, completeness, lead time, calibration at the base rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.bootstrap import Resampling
from model_build.evaluation.labelled import SEED, YES
from model_build.evaluation.natural import AtPurity, Operation, at_purity, operate
from model_build.evaluation.probabilities import Honesty, honesty
from model_build.evaluation.scored import Scored, ScoredSeason, require_natural
from model_build.evaluation.stream import StreamCurve, stream_curve
from model_build.evaluation.stream_stars import StreamStars, is_no, nights_of, stars_of
from model_build.evaluation.thresholds import Thresholds, p_event
from stream_worker.bundle import Manifest
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array

AT_PURITY: Final = "purity"
EVENT_THRESHOLDS: Final[Mapping[str, float]] = {"tenth": 0.1, "half": 0.5}
"""Thresholds of p_event that are looked at."""
_REVIEW_GRID: Final = tuple(
    np.unique(np.round([*np.linspace(0.0, 0.99, 100), *np.linspace(0.99, 1.0, 41)], 5)).tolist()
)
_EVENT_GRID: Final = (0.0, *(1.0 / (1.0 + np.exp(-np.linspace(-12.0, 8.0, 161)))).tolist(), 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Announcing:
    """What it means to announce by one score.

    Parameters
    ----------
    operation
        By name of the threshold; ``purity`` is that of `at_purity`.
    at_purity
        None without Nos.
    curve
        False alerts per night against completeness, ghosts left out.
    """

    operation: Mapping[str, Operation]
    at_purity: AtPurity | None
    curve: StreamCurve


@dataclass(frozen=True, slots=True, eq=False)
class StreamFigures:
    """Of a natural stream.

    Parameters
    ----------
    nights
        Runs of the stream.
    scale
        Share of the survey's stars that was simulated: rates over it are the survey's.
    n
        Numbers: candidates, stars, clusters, events, confirmed, ghosts, nos (candidates), no_stars.
    review, event
        Announcing by p_review, and by p_event (p_yes where the bundle is not calibrated).
    probabilities
        ``p_event`` (or p_yes), for three truths: "event", it is an event itself, whatever its label, ghosts
        left out; "own", the same on all candidates, ghosts being none; "yes", its star is labelled Yes.
    """

    nights: int
    scale: float
    n: Mapping[str, int]
    review: Announcing
    event: Announcing
    probabilities: Mapping[str, Honesty]
    calibrated: bool

    @property
    def event_score(self) -> str:
        """What ``event`` announces by."""
        return "p_event" if self.calibrated else "p_yes"


def stream_figures(stream: ScoredSeason, manifest: Manifest, thresholds: Thresholds) -> StreamFigures:
    """Evaluate all candidates of a stream; blocks for up to a few minutes.

    Raises
    ------
    ValueError
        If it is no natural stream.
    """
    require_natural(stream)
    scored = stream.candidates
    of = _Stream(
        scored,
        stars_of(scored),
        nights_of(scored, stream.record),
        Resampling(scored.clusters, SEED),
    )
    p_yes = scored.class_probabilities[:, YES]
    calibrated = p_event(manifest, p_yes)
    p = p_yes if calibrated is None else calibrated
    plain = ~of.stars.is_ghost[of.stars.star]
    return StreamFigures(
        nights=of.nights,
        scale=stream.record.scale_false,
        n=_numbers(of.stars, is_no(scored)) | {"clusters": of.resampling.n_clusters},
        review=_announcing(of, scored.p_review, thresholds.of, _REVIEW_GRID),
        event=_announcing(of, p, EVENT_THRESHOLDS, _EVENT_GRID),
        probabilities={
            "event": honesty(
                Resampling(scored.clusters[plain], SEED), p[plain], of.stars.is_event[of.stars.star[plain]]
            ),
            "own": honesty(of.resampling, p, of.stars.is_event[of.stars.star]),
            "yes": honesty(of.resampling, p, scored.labels == YES),
        },
        calibrated=calibrated is not None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Stream:
    scored: Scored
    stars: StreamStars
    nights: int
    resampling: Resampling


def _announcing(
    of: _Stream, p: Float64Array, thresholds: Mapping[str, float], grid: Sequence[float]
) -> Announcing:
    scored, stars = of.scored, of.stars
    of_stars = Resampling(stars.cluster, SEED)
    purest = at_purity(of.resampling, of_stars, scored, stars, p)
    names = dict(thresholds) | ({} if purest is None else {AT_PURITY: purest.threshold.value})
    plain = ~stars.is_ghost[stars.star]
    return Announcing(
        operation={
            name: operate(of.resampling, of_stars, scored, stars, p, threshold, of.nights)
            for name, threshold in names.items()
        },
        at_purity=purest,
        curve=stream_curve(
            p[plain],
            stars.star[plain],
            scored.clusters[plain],
            stars.is_event[stars.star][plain],
            grid,
            nights=of.nights,
            seed=SEED,
        ),
    )


def _numbers(stars: StreamStars, no: BoolArray) -> dict[str, int]:
    return {
        "candidates": int(stars.star.size),
        "stars": int(stars.cluster.size),
        "events": int(stars.is_event.sum()),
        "confirmed": int(stars.is_confirmed.sum()),
        "ghosts": int(stars.is_ghost.sum()),
        "nos": int(no.sum()),
        "no_stars": int(np.unique(stars.star[no]).size),
    }
