"""Scores a window of archived records through the score stage itself, without a broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas import Schema
from stream_worker.archives import Archived
from stream_worker.batching import Branches
from stream_worker.candidate import Candidate
from stream_worker.codec import BadPacket
from stream_worker.kafka.records import Headers, OutputRecord, SourceRecord
from stream_worker.outcome import OUTCOME_SCHEMA
from stream_worker.plans import model_identity
from stream_worker.preprocessing import Report
from stream_worker.quarantine import QUARANTINE_SCHEMA, Quarantine
from stream_worker.replay.selection import Selection, as_replayed
from stream_worker.score_stage import SCORE_SCHEMA, ScoreStage
from stream_worker.scoring import Score
from stream_worker.settings import Settings
from stream_worker.sky import SkyCells
from stream_worker.steps import ScoringSteps
from stream_worker.watched_rules import WatchedRules

Row = dict[str, Any]
"""What became of one record, JSON-ready.

``source``, ``record``, ``candidate_id``, ``outcome``, ``reason``, ``message``; of a candidate ``star_id``,
``t_cut``, ``run_id`` and ``produced_at``; of a scored one ``score`` (what the result tells of
schema score 1) and ``cells``, its own cell first."""


@dataclass(slots=True)
class _Window:
    """The steps of the stage for records that their archive has decoded already.

    A record's packet is its number in the window.
    """

    steps: ScoringSteps
    contents: Sequence[Candidate | BadPacket]

    def decode(self, packet: bytes) -> Candidate:
        """Candidate of a place in the window; raises BadPacket where the archive found none."""
        found = self.contents[int(packet)]
        if isinstance(found, BadPacket):
            raise found
        return found

    def prepare(self, candidate: Candidate) -> tuple[Report, Branches]:
        """As in the stream."""
        return self.steps.prepare(candidate)

    def infer(self, batch: Sequence[Branches]) -> list[Score | Exception]:
        """As in the stream."""
        return self.steps.infer(batch)


@dataclass(slots=True)
class _Kept:
    """Keeps what the stage writes as values: nothing is encoded that nobody will read."""

    scores: list[Mapping[str, Any]] = field(default_factory=list)
    outcomes: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    messages: dict[int, str] = field(default_factory=dict)

    def write(
        self,
        topic: str,
        schema: Schema,
        record: Mapping[str, Any],
        *,
        key: str | None,
        headers: Headers = (),
    ) -> OutputRecord:
        """Keep scores, outcomes, and why a record was quarantined."""
        if schema is OUTCOME_SCHEMA:
            self.outcomes[record["offset"]] = record
        elif schema is SCORE_SCHEMA:
            self.scores.append(record)
        elif schema is QUARANTINE_SCHEMA:
            self.messages[record["offset"]] = record["message"]
        return OutputRecord(topic, None if key is None else key.encode(), b"", headers)


@dataclass(frozen=True, slots=True)
class ReplayScorer:
    """Scores windows of one replay."""

    settings: Settings
    steps: ScoringSteps
    replay_id: str
    selection: Selection
    sky: SkyCells

    def rows(self, source: Sequence[str], window: Sequence[Archived]) -> list[Row]:
        """What became of the records of a window, in their order, without those that take no part.

        Parameters
        ----------
        source
            Name of the archive of each record.
        """
        taken = [
            (name, one, as_replayed(one.content, self.replay_id))
            if isinstance(one.content, Candidate)
            else (name, one, one.content)
            for name, one in zip(source, window, strict=True)
            if isinstance(one.content, BadPacket) or self.selection.takes(one.content)
        ]
        kept = _Kept()
        self._stage(kept, [content for _, _, content in taken]).process(
            [SourceRecord(name, 0, place, None, b"%d" % place) for place, (name, _, _) in enumerate(taken)]
        )
        scored: dict[int, list[Mapping[str, Any]]] = {}
        for score in kept.scores:
            scored.setdefault(score["candidate_offset"], []).append(score)
        return [
            _row(
                name,
                one.record,
                content,
                {**kept.outcomes[place], "message": kept.messages.get(place)},
                scored.get(place, ()),
            )
            for place, (name, one, content) in enumerate(taken)
        ]

    def _stage(self, kept: _Kept, contents: Sequence[Candidate | BadPacket]) -> ScoreStage:
        settings = self.settings
        return ScoreStage(
            steps=_Window(self.steps, contents),
            model=model_identity(self.steps.scorer),
            sky=self.sky,
            writer=kept,
            quarantine=Quarantine(kept, settings.topics.quarantine, "score", "replay", "", 0),
            topics=settings.topics,
            rules=WatchedRules(settings.rules),
            max_batch=settings.inference.max_batch,
            clock=lambda: 0,  # no wall clock in what two runs must agree on
        )


def _row(
    source: str,
    record: int,
    content: Candidate | BadPacket,
    outcome: Mapping[str, Any],
    copies: Sequence[Mapping[str, Any]],
) -> Row:
    row: Row = {
        "source": source,
        "record": record,
        "candidate_id": outcome["candidate_id"],
        "outcome": outcome["outcome"],
        "reason": outcome["reason"],
        "message": outcome["message"],
    }
    if isinstance(content, Candidate):
        row["run_id"], row["produced_at"] = content.run_id, content.produced_at
        row["star_id"], row["t_cut"] = content.star_id, content.alertfinder.t_cut
    if copies:
        row["score"] = {name: value for name, value in copies[0].items() if name not in _NOT_KEPT}
        row["cells"] = [copy["cell"] for copy in copies]
    return row


_NOT_KEPT = frozenset(
    {
        "cell",
        "home_cell",
        "halo",
        "candidate_topic",
        "candidate_partition",
        "candidate_offset",
        "received_at",
        "scored_at",
        "model",
        "settings_hash",
        "base_rate",
        "light_curve_id",
        "ra_sexagesimal",
        "dec_sexagesimal",
        "rise_slope",
    }
)
"""Fields of a score that tell where and when it passed, what the replay pins for all, or what others tell."""
