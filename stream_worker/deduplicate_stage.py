"""The life of a score in the grouping stage.

Neighbours are not yet compared: every score for its star's own cell that reaches the publishing
threshold becomes an INITIAL alert.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

import schemas
from stream_worker.codec import BadPacket, RegistryUnavailable
from stream_worker.kafka.records import Headers, OutputRecord, SourceRecord
from stream_worker.loop import RetryLater
from stream_worker.outcome import OutcomeKind, outcome_record
from stream_worker.outputs import (
    CANDIDATE_HEADER,
    TRACE_HEADER,
    OutputWriter,
    inherited_headers,
    short_header,
    trace_headers,
)
from stream_worker.quarantine import Quarantine
from stream_worker.score_record import decisions
from stream_worker.settings import RuleSettings, TopicSettings

log = structlog.get_logger(__name__)

ALERT_SCHEMA = schemas.load("alert", 1)
STAGE = "deduplicate"
_GROUP_NAMESPACE = uuid.UUID("0b5d7a52-7f0e-5d0c-8d4e-6f1f3c8f0a77")
_ONLY_IN_SCORES = frozenset({"t_cut", "cell", "home_cell", "halo"})


@dataclass(frozen=True, slots=True)
class DeduplicateStage:
    """Turns scores into alerts.

    Parameters
    ----------
    decode
        Score record of a packet; raises BadPacket or RegistryUnavailable.
    clock
        Milliseconds since 1970-01-01 UTC.
    """

    decode: Callable[[bytes], Mapping[str, Any]]
    writer: OutputWriter
    quarantine: Quarantine
    topics: TopicSettings
    rules: RuleSettings
    clock: Callable[[], int]
    name: str = STAGE

    def process(self, records: Sequence[SourceRecord]) -> list[OutputRecord]:
        """Outputs of a batch: alerts, quarantine, outcomes.

        Raises
        ------
        RetryLater
            The schema registry is out of reach.
        """
        outputs: list[OutputRecord] = []
        for record in records:
            try:
                outputs += self._judge(record, self.decode(record.value))
            except BadPacket as bad:
                outputs += self._reject(record, bad.reason, bad.message)
            except RegistryUnavailable as error:
                raise RetryLater(str(error)) from error
            except Exception as error:
                log.exception("score could not be judged", partition=record.partition, offset=record.offset)
                outputs += self._reject(record, "record_failed", repr(error))
        return outputs

    def _reject(self, source: SourceRecord, reason: str, message: str) -> list[OutputRecord]:
        return [
            self.quarantine.record(source, reason, message, self.clock()),
            self._outcome(source, OutcomeKind.QUARANTINED, None, reason=reason),
        ]

    def _judge(self, source: SourceRecord, score: Mapping[str, Any]) -> list[OutputRecord]:
        if score["halo"]:
            return [self._outcome(source, OutcomeKind.HALO, score)]
        if score["p_review"] < self.rules.publish_at:
            return [self._outcome(source, OutcomeKind.BELOW_THRESHOLD, score)]
        group = group_id(score["tense"], score["replay_id"], score["star_id"])
        alert = self._initial_alert(group, score)
        headers = _trace(score, source)
        return [
            self.writer.write(
                self.topics.scored,
                ALERT_SCHEMA,
                alert,
                key=group,
                headers=(*headers, ("alert-type", b"INITIAL")),
            ),
            self._outcome(source, OutcomeKind.PUBLISHED, score, reason="INITIAL", group_id=group),
        ]

    def _initial_alert(self, group: str, score: Mapping[str, Any]) -> dict[str, Any]:
        body = {name: value for name, value in score.items() if name not in _ONLY_IN_SCORES}
        return {
            **body,
            "alert_id": alert_id(group, score["candidate_id"], "INITIAL", 0),
            "group_id": group,
            "alert_type": "INITIAL",
            "reason": f"threshold_crossed:{self.rules.publish_threshold}",
            "superseded_by": None,
            "decisions": decisions(score["p_review"], self.rules.thresholds),
            "settings_hash": self.rules.hash,
            "neighbours": {
                "count": 0,
                "members": [],
                "max_p_review": None,
                "max_p_review_candidate_id": None,
                "crowded": False,
            },
            "published_at": self.clock(),
        }

    def _outcome(
        self,
        source: SourceRecord,
        outcome: OutcomeKind,
        score: Mapping[str, Any] | None,
        *,
        reason: str | None = None,
        group_id: str | None = None,
    ) -> OutputRecord:
        return outcome_record(
            self.writer,
            self.topics.outcomes,
            stage=STAGE,
            source=source,
            outcome=outcome,
            settings_hash=self.rules.hash,
            time_ms=self.clock(),
            candidate_id=score["candidate_id"] if score else short_header(source, CANDIDATE_HEADER),
            reason=reason,
            group_id=group_id,
            trace=_trace(score, source) if score else inherited_headers(source),
        )


def _trace(score: Mapping[str, Any], source: SourceRecord) -> Headers:
    return trace_headers(score["candidate_id"], score["tense"], short_header(source, TRACE_HEADER))


def group_id(tense: str, replay_id: str | None, star_id: str) -> str:
    """Deterministic id of a group: UUIDv5 of tense, replay id and the primary's star id."""
    return str(uuid.uuid5(_GROUP_NAMESPACE, f"{tense}/{replay_id or ''}/{star_id}"))


def alert_id(group: str, candidate_id: str, alert_type: str, revision: int) -> str:
    """Deterministic id of an alert: UUIDv5 of group, candidate, type and revision."""
    return str(uuid.uuid5(_GROUP_NAMESPACE, f"{group}/{candidate_id}/{alert_type}/{revision}"))
