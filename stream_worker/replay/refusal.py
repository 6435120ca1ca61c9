"""Records of an archive that are no candidates, in a replay through topics: it quarantines them itself.

As packets they would travel with their own tense, past the selection, and a reader who knows a schema that
the archive lacks would take them for live.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from stream_worker.archives import Archived
from stream_worker.codec import BadPacket
from stream_worker.kafka.records import OutputRecord, SourceRecord
from stream_worker.outcome import OutcomeKind, outcome_record
from stream_worker.outputs import Frame, OutputWriter
from stream_worker.quarantine import Quarantine
from stream_worker.replay.names import archive_source
from stream_worker.score_stage import STAGE
from stream_worker.settings import Settings
from stream_worker.worker import now_ms, worker_name


@dataclass(frozen=True, slots=True)
class Refusals:
    """Quarantines what an archive holds in place of candidates, as the score stage would.

    Parameters
    ----------
    settings
        With the topics of the replay.
    frame
        Framing of what is written.
    clock
        Milliseconds since 1970-01-01 UTC.
    """

    settings: Settings
    frame: Frame
    clock: Callable[[], int] = now_ms

    def of(self, archive: str, record: Archived, bad: BadPacket) -> list[OutputRecord]:
        """Quarantine record and outcome of one record, under its place in the archive."""
        settings, writer, now = self.settings, OutputWriter(self.frame), self.clock()
        source = SourceRecord(archive_source(archive), 0, record.record, None, record.raw or b"")
        quarantine = Quarantine(
            writer,
            settings.topics.quarantine,
            STAGE,
            worker_name("replay"),
            version("lensnet"),
            settings.quarantine_raw_bytes,
        )
        outcome = outcome_record(
            writer,
            settings.topics.outcomes,
            stage=STAGE,
            source=source,
            outcome=OutcomeKind.QUARANTINED,
            settings_hash=settings.rules.hash,
            time_ms=now,
            candidate_id=bad.candidate_id,
            reason=bad.reason,
        )
        return [quarantine.record(source, bad.reason, bad.message, now, bad.candidate_id), outcome]
