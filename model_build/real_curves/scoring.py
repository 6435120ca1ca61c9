"""Scores of cut light curves, through the same steps as in the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model_build.real_curves.alerts import Cut
from stream_worker.batching import Branches, length_sorted_batches
from stream_worker.preprocessing import TooFewObservations, prepare, standardise
from stream_worker.scores import Score
from stream_worker.scoring import Scorer

_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class ScoredCut:
    """A cut with its score; None where nothing rises or too few observations are left: never announced.

    ``p_event`` is None there, too, and where the bundle is not calibrated.
    """

    cut: Cut
    score: Score | None
    p_event: float | None = None

    def announced(self, threshold: float) -> bool:
        """Whether it would be announced by p_review."""
        return self.score is not None and self.score.p_review >= threshold

    def likely(self, threshold: float) -> bool:
        """Whether it would be announced by p_event."""
        return self.p_event is not None and self.p_event >= threshold


def score_cuts(cuts: Sequence[Cut], scorer: Scorer) -> list[ScoredCut]:
    """Score each cut that makes a candidate; blocks some milliseconds for each.

    Raises
    ------
    ScoringError
        If the scorer fails.
    """
    prepared = {place: its for place, cut in enumerate(cuts) if (its := _prepare(cut, scorer)) is not None}
    places, window = list(prepared), list(prepared.values())
    scores: dict[int, Score] = {}
    for batch in length_sorted_batches(window, _BATCH):
        found = scorer.score([window[i] for i in batch]).each()
        scores.update(zip((places[i] for i in batch), found, strict=True))
    of = scorer.bundle.manifest.calibration
    p_event = {} if of is None else {i: of.p_event(s.class_probabilities[0]) for i, s in scores.items()}
    return [ScoredCut(cut, scores.get(i), p_event.get(i)) for i, cut in enumerate(cuts)]


def _prepare(cut: Cut, scorer: Scorer) -> Branches | None:
    if not cut.is_candidate or cut.t_break is None:
        return None
    bundle = scorer.bundle
    try:
        prepared = prepare(
            cut.curves,
            t_break=cut.t_break,
            t_cut=cut.t_cut,
            ra=cut.star.ra,
            dec=cut.star.dec,
            options=bundle.options,
        )
    except TooFewObservations:
        return None
    return standardise(prepared, bundle.standardisation)
