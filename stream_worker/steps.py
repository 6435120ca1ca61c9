"""The steps of the score stage, wired to a real bundle: decode, prepare, infer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream_worker.batching import Branches
from stream_worker.candidate import Candidate
from stream_worker.codec import SchemaResolver, decode_candidate
from stream_worker.loop import StageFatal
from stream_worker.preprocessing import Report, prepare, standardise
from stream_worker.scoring import Score, Scorer, ScorerBroken, score_each


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
        found = candidate.alertfinder
        prepared = prepare(
            candidate.light_curves,
            t_break=found.t_break,
            t_cut=found.t_cut,
            ra=candidate.ra,
            dec=candidate.dec,
            options=self.scorer.bundle.options,
        )
        return prepared.report, standardise(prepared, self.scorer.bundle.standardisation)

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
