"""All figures of a natural stream: announcing, completeness, lead time, calibration at the base rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.bootstrap import Resampling
from model_build.evaluation.labelled import SEED, YES
from model_build.evaluation.natural import AtPurity, Operation, at_purity, operate
from model_build.evaluation.probabilities import Honesty, honesty
from model_build.evaluation.scored import ScoredSeason
from model_build.evaluation.stream import StreamCurve, stream_curve
from model_build.evaluation.stream_stars import StreamStars, is_no, nights_of, stars_of
from model_build.evaluation.thresholds import Thresholds, p_event
from stream_worker.bundle import Manifest
from stream_worker.preprocessing.light_curve import BoolArray

AT_PURITY: Final = "purity"
GRID: Final = tuple(
    np.unique(np.round([*np.linspace(0.0, 0.99, 100), *np.linspace(0.99, 1.0, 41)], 5)).tolist()
)


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
    operation
        By name of the threshold; ``purity`` is that of `at_purity`.
    at_purity
        None without Nos.
    curve
        False alerts per night against completeness, ghosts left out.
    probabilities
        ``p_event`` (or p_yes where the bundle is not calibrated) on all candidates, for two truths: "yes",
        its star is labelled Yes, and "event", it is an event itself, whatever its label.
    """

    nights: int
    scale: float
    n: Mapping[str, int]
    operation: Mapping[str, Operation]
    at_purity: AtPurity | None
    curve: StreamCurve
    probabilities: Mapping[str, Honesty]
    calibrated: bool


def stream_figures(stream: ScoredSeason, manifest: Manifest, thresholds: Thresholds) -> StreamFigures:
    """Evaluate all candidates of a stream; blocks for up to a few minutes."""
    scored = stream.candidates
    stars, nights = stars_of(scored), nights_of(scored, stream.record)
    resampling, of_stars = Resampling(scored.clusters, SEED), Resampling(stars.cluster, SEED)
    purest = at_purity(resampling, of_stars, scored, stars)
    names = dict(thresholds.of) | ({} if purest is None else {AT_PURITY: purest.threshold.value})
    plain = ~stars.is_ghost[stars.star]
    p_yes = scored.class_probabilities[:, YES]
    calibrated = p_event(manifest, p_yes)
    p = p_yes if calibrated is None else calibrated
    return StreamFigures(
        nights=nights,
        scale=stream.record.scale_false,
        n=_numbers(stars, is_no(scored)) | {"clusters": resampling.n_clusters},
        operation={
            name: operate(resampling, of_stars, scored, stars, threshold, nights)
            for name, threshold in names.items()
        },
        at_purity=purest,
        curve=stream_curve(
            scored.p_review[plain],
            stars.star[plain],
            scored.clusters[plain],
            stars.is_event[stars.star][plain],
            GRID,
            nights=nights,
            seed=SEED,
        ),
        probabilities={
            "yes": honesty(resampling, p, scored.labels == YES),
            "event": honesty(resampling, p, stars.is_event[stars.star]),
        },
        calibrated=calibrated is not None,
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
