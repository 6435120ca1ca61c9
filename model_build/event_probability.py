"""p_event: the probability of yes, turned into the chance of an event, the star's own or one beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_build.evaluation.calibration import Calibration, fit_calibration
from model_build.evaluation.scored import ScoredSeason, require_natural
from model_build.evaluation.stream_stars import GHOST
from model_build.season.review import EVENT
from model_build.training_set.split import IntArray
from stream_worker.bundle import CLASSES
from stream_worker.scoring import Scores

_YES = CLASSES.index("yes")


@dataclass(frozen=True, slots=True)
class EventProbability:
    """A calibration of p_yes, the share of events where it holds, and in words what it was fitted to.

    ``streams`` are the SHA-256 of the streams that it was fitted to, none where that were labelled stars.
    """

    slope: float
    offset: float
    base_rate: float
    fitted_to: str
    streams: tuple[str, ...] = ()

    @property
    def in_manifest(self) -> dict[str, float]:
        """What the bundle says of it."""
        return {"slope": self.slope, "offset": self.offset, "base_rate": self.base_rate}


def fit_to_streams(streams: Sequence[ScoredSeason]) -> EventProbability:
    """Fit to the candidates of natural streams that are evaluated on no more: a stream's own base rate.

    True are the candidates of a star with an event of its own, from its first listing to its last. Ghosts
    are left out: their curves are the event's, and one event can have hundreds of them.

    Raises
    ------
    ValueError
        If a season is no natural stream; no candidate, or each, is of an event; or p_yes is no larger for
        those.
    """
    for stream in streams:
        require_natural(stream)
    p_yes = np.concatenate([stream.candidates.class_probabilities[:, _YES] for stream in streams])
    kinds = np.concatenate([stream.candidates.kinds for stream in streams])
    p_yes, is_event = p_yes[kinds != GHOST], kinds[kinds != GHOST] == EVENT
    seeds = ", ".join(str(stream.record.seed) for stream in streams)
    return _rounded(
        fit_calibration(p_yes, is_event),
        float(is_event.mean()),
        f"the {is_event.size:,} candidates of simulated natural streams (seeds {seeds}), "
        f"{int(is_event.sum()):,} of them of an event; {kinds.size - is_event.size:,} of stars that shine "
        "with an event's light within 20 arcsec are left out",
        tuple(stream.sha256 for stream in streams),
    )


def fit_at_base_rate(scores: Scores, labels: IntArray, base_rate: float) -> EventProbability:
    """Fit to labelled stars, Yes against the rest, weighted to a share of events (Saerens et al. 2002).

    Raises
    ------
    ValueError
        If there is no Yes, or nothing else, or p_yes is no larger for those.
    """
    is_yes = labels == _YES
    if is_yes.all() or not is_yes.any():
        raise ValueError(f"need Yes and others, got {int(is_yes.sum())} Yes of {is_yes.size}")
    share = float(is_yes.mean())
    weights = np.where(is_yes, base_rate / share, (1.0 - base_rate) / (1.0 - share))
    return _rounded(
        fit_calibration(scores.class_probabilities[:, _YES], is_yes, weights),
        base_rate,
        "validation stars, Yes against the rest, at their labels' and first dates, weighted to that share",
    )


def _rounded(
    fitted: Calibration, base_rate: float, fitted_to: str, streams: tuple[str, ...] = ()
) -> EventProbability:
    if fitted.slope <= 0.0:
        raise ValueError(f"p_yes tells no events: the log odds have slope {fitted.slope:.3f}, expected > 0")
    slope, offset, base_rate = (round(value, 6) for value in (fitted.slope, fitted.offset, base_rate))
    return EventProbability(slope, offset, base_rate, fitted_to, streams)
