"""The steps of the score stage, wired to a real bundle: decode, prepare, infer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stream_worker.batching import Branches, bisect_failures
from stream_worker.candidate import Candidate
from stream_worker.codec import SchemaResolver, decode_candidate
from stream_worker.loop import StageFatal
from stream_worker.preprocessing import (
    Observed,
    Report,
    Target,
    TooFewObservations,
    prepare_each,
    standardise,
)
from stream_worker.scoring import Score, Scorer, ScorerBroken, score_each

TOGETHER: Final = 16
"""Candidates preprocessed side by side: on more, their rows no longer fit into the processor's cache."""


@dataclass(frozen=True, slots=True)
class ScoringSteps:
    """Decode with the registry or the bundled schemas; prepare and infer with one bundle."""

    resolver: SchemaResolver
    scorer: Scorer

    def decode(self, packet: bytes) -> Candidate:
        """Candidate of a packet.

        Raises
        ------
        BadPacket
            Too large, or not a valid candidate.
        RegistryUnavailable
            The writer's schema can't be fetched now.
        """
        writer, body = self.resolver.resolve(packet or None)
        return decode_candidate(body, writer)

    def prepare(self, candidate: Candidate) -> tuple[Report, Branches]:
        """Standardised features of a candidate and what made them; the features before that are let go.

        Raises
        ------
        TooFewObservations
            No site keeps enough.
        """
        (found,) = self.prepare_each([candidate])
        if isinstance(found, Exception):
            raise found
        return found

    def prepare_each(self, candidates: Sequence[Candidate]) -> list[tuple[Report, Branches] | Exception]:
        """Per candidate what `prepare` gives, or the exception that it raised on its own."""
        found: list[tuple[Report, Branches] | Exception] = []
        for start in range(0, len(candidates), TOGETHER):
            found += bisect_failures(candidates[start : start + TOGETHER], self._prepare_together)
        return found

    def _prepare_together(
        self, candidates: Sequence[Candidate]
    ) -> list[tuple[Report, Branches] | TooFewObservations]:
        bundle = self.scorer.bundle
        return [
            one
            if isinstance(one, TooFewObservations)
            else (one.report, standardise(one, bundle.standardisation))
            for one in prepare_each([_observed(candidate) for candidate in candidates], bundle.options)
        ]

    def infer(self, batch: Sequence[Branches]) -> list[Score | Exception]:
        """Score per candidate, or the exception that it raised on its own.

        Raises
        ------
        StageFatal
            The scorer misses its golden vectors: no score of it can be trusted.
        """
        try:
            return score_each(self.scorer, batch)
        except ScorerBroken as error:
            raise StageFatal(str(error)) from error


def _observed(candidate: Candidate) -> Observed:
    found = candidate.alertfinder
    target = Target(found.t_break, candidate.ra, candidate.dec)
    return Observed(candidate.light_curves, found.t_cut, target)
