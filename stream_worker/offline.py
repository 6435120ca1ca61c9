"""Scores candidates without a broker, through the very steps of the score stage."""

from __future__ import annotations

from collections.abc import Sequence

from stream_worker.batching import length_sorted_batches
from stream_worker.candidate import Candidate
from stream_worker.named_bundle import named_bundle
from stream_worker.plans import candidate_resolver
from stream_worker.scoring import Score, open_scorer
from stream_worker.settings import Settings
from stream_worker.steps import ScoringSteps


def open_steps(settings: Settings) -> ScoringSteps:
    """Load the bundle and open its graphs.

    Raises
    ------
    BundleError, ProviderUnavailable, ScorerBroken
        The bundle cannot be used here.
    """
    inference = settings.inference
    scorer = open_scorer(
        named_bundle(settings),
        provider=inference.provider,
        intra_op_threads=inference.intra_op_threads,
        allow_fallback=inference.allow_fallback,
    )
    return ScoringSteps(candidate_resolver(settings), scorer)


def score_offline(settings: Settings, candidates: Sequence[Candidate]) -> list[Score]:
    """Score per candidate, in order.

    Raises
    ------
    TooFewObservations, ScoringError
        A candidate cannot be scored.
    """
    steps = open_steps(settings)
    branches = [steps.prepare(candidate)[1] for candidate in candidates]
    scores: dict[int, Score] = {}
    for places in length_sorted_batches(branches, settings.inference.max_batch):
        for place, score in zip(places, steps.infer([branches[i] for i in places]), strict=True):
            if isinstance(score, Exception):
                raise score
            scores[place] = score
    return [scores[i] for i in range(len(candidates))]
