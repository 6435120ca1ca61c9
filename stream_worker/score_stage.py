"""The life of a candidate in the score stage: decode, preprocess, batch, infer, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import structlog

import schemas
from stream_worker.batching import Branches, length_sorted_batches
from stream_worker.candidate import Candidate
from stream_worker.codec import CANDIDATE, BadPacket, RegistryUnavailable
from stream_worker.kafka.records import Headers, OutputRecord, SourceRecord
from stream_worker.loop import RetryLater
from stream_worker.outcome import OutcomeKind, outcome_record
from stream_worker.outputs import (
    CANDIDATE_HEADER,
    MAX_HEADER_TEXT,
    SCHEMA_HEADER,
    TRACE_HEADER,
    RecordWriter,
    inherited_headers,
    short_header,
    trace_headers,
)
from stream_worker.preprocessing import Report, TooFewObservations
from stream_worker.quarantine import Quarantine
from stream_worker.score_record import ModelIdentity, score_record
from stream_worker.scoring import Score
from stream_worker.settings import TopicSettings
from stream_worker.sky import SkyCells
from stream_worker.watched_rules import WatchedRules

log = structlog.get_logger(__name__)

SCORE_SCHEMA = schemas.load("score", 1)
STAGE = "score"
MAX_SCORE_BYTES = 1_000_000
"""A broker takes 1,048,588 bytes with what is around them; a larger score would abort its batch for ever."""


class Steps(Protocol):
    """The four steps that the stage puts in order."""

    def decode(self, packet: bytes) -> Candidate:
        """Candidate of a packet; raises BadPacket or RegistryUnavailable."""

    def prepare(self, candidate: Candidate) -> tuple[Report, Branches]:
        """Standardised features of a candidate and what made them; raises TooFewObservations."""

    def infer(self, batch: Sequence[Branches]) -> list[Score | Exception]:
        """Score per candidate, or the exception that this candidate alone raised."""


@dataclass(frozen=True, slots=True)
class _Ready:
    source: SourceRecord
    candidate: Candidate
    report: Report
    branches: Branches


@dataclass(frozen=True, slots=True)
class ScoreStage:
    """Scores candidate packets.

    Parameters
    ----------
    clock
        Milliseconds since 1970-01-01 UTC.
    observe
        Hears how long each step of a batch took, in seconds.
    on_scored
        Hears of every score (also of one that an aborted transaction will compute again).
    """

    steps: Steps
    model: ModelIdentity
    sky: SkyCells
    writer: RecordWriter
    quarantine: Quarantine
    topics: TopicSettings
    rules: WatchedRules
    max_batch: int
    clock: Callable[[], int]
    observe: Callable[[str, float], None] = lambda _step, _seconds: None
    on_scored: Callable[[Candidate, Report, Score], None] = lambda _candidate, _report, _score: None
    name: str = STAGE

    def process(self, records: Sequence[SourceRecord]) -> list[OutputRecord]:
        """Outputs of a batch: scores with halo copies, light curves, quarantine, outcomes.

        Raises
        ------
        RetryLater
            The schema registry is out of reach.
        """
        self.sky.follow(self.rules.refresh().neighbour_radius_arcsec)
        received_at = self.clock()
        outputs: list[OutputRecord] = []
        decoded = list(self._decode(records, outputs))
        ready = list(self._prepare(decoded, outputs))
        verdicts = self._infer(ready)
        scored: list[tuple[_Ready, Score]] = []
        for item, verdict in zip(ready, verdicts, strict=True):
            if isinstance(verdict, Exception):
                outputs += self._reject(
                    item.source, "inference_failed", repr(verdict), item.candidate.candidate_id
                )
            else:
                scored.append((item, verdict))
        outputs += self._write(scored, received_at)
        return outputs

    def _decode(
        self, records: Sequence[SourceRecord], outputs: list[OutputRecord]
    ) -> Iterator[tuple[SourceRecord, Candidate]]:
        with self._timed("decode"):
            for record in records:
                try:
                    candidate = self.steps.decode(record.value)
                except BadPacket as bad:
                    outputs += self._reject(record, bad.reason, bad.message, bad.candidate_id)
                except RegistryUnavailable as error:
                    raise RetryLater(str(error)) from error
                except Exception as error:
                    log.exception("decoder failed", offset=record.offset, partition=record.partition)
                    outputs += self._reject(record, "decoder_failed", repr(error))
                else:
                    yield record, candidate

    def _prepare(
        self, decoded: Sequence[tuple[SourceRecord, Candidate]], outputs: list[OutputRecord]
    ) -> Iterator[_Ready]:
        with self._timed("preprocess"):
            for record, candidate in decoded:
                try:
                    report, branches = self.steps.prepare(candidate)
                except TooFewObservations as few:
                    outputs.append(
                        self._outcome(record, OutcomeKind.TOO_FEW_OBSERVATIONS, candidate, str(few))
                    )
                except Exception as error:
                    log.exception("preprocessing failed", candidate_id=candidate.candidate_id)
                    outputs += self._reject(
                        record, "preprocessing_failed", repr(error), candidate.candidate_id
                    )
                else:
                    yield _Ready(record, candidate, report, branches)

    def _infer(self, ready: Sequence[_Ready]) -> list[Score | Exception]:
        verdicts: list[Score | Exception | None] = [None] * len(ready)
        with self._timed("inference"):
            for indices in length_sorted_batches([item.branches for item in ready], self.max_batch):
                results = self.steps.infer([ready[i].branches for i in indices])
                for i, result in zip(indices, results, strict=True):
                    verdicts[i] = result
        missing = [i for i, verdict in enumerate(verdicts) if verdict is None]
        if missing:
            raise AssertionError(f"batching left out candidates {missing}")
        return [verdict for verdict in verdicts if verdict is not None]

    def _write(self, scored: Sequence[tuple[_Ready, Score]], received_at: int) -> Iterator[OutputRecord]:
        scored_at = self.clock()
        ra = np.array([item.candidate.ra for item, _ in scored])
        dec = np.array([item.candidate.dec for item, _ in scored])
        cells_of = self.sky.cells(ra, dec) if scored else []
        for (item, verdict), cells in zip(scored, cells_of, strict=True):
            try:
                yield from self._write_one(item, verdict, cells, received_at, scored_at)
            except Exception as error:
                log.exception("score could not be written", candidate_id=item.candidate.candidate_id)
                yield from self._reject(
                    item.source, "record_failed", repr(error), item.candidate.candidate_id
                )

    def _write_one(
        self, item: _Ready, verdict: Score, cells: tuple[int, ...], received_at: int, scored_at: int
    ) -> list[OutputRecord]:
        candidate, source = item.candidate, item.source
        score = score_record(
            candidate,
            item.report,
            p_review=verdict.p_review,
            class_probabilities=verdict.class_probabilities,
            source=source,
            model=self.model,
            rules=self.rules.current,
            settings_hash=self.rules.hash,
            received_at=received_at,
            scored_at=scored_at,
        )
        trace = _trace(candidate, source)
        outputs = []
        for cell in cells:
            copy = {**score, "cell": cell, "home_cell": cells[0], "halo": cell != cells[0]}
            written = self.writer.write(self.topics.scores, SCORE_SCHEMA, copy, key=str(cell), headers=trace)
            size = len(written.value or b"")
            if size > MAX_SCORE_BYTES:
                raise ValueError(f"the score has {size} bytes: expected at most {MAX_SCORE_BYTES}")
            outputs.append(written)
        if score["light_curve_id"] is not None:
            schema = source.header(SCHEMA_HEADER) or f"{CANDIDATE.name}/{CANDIDATE.version}"
            headers = (*trace, (SCHEMA_HEADER, schema[:MAX_HEADER_TEXT].encode()))
            key = candidate.candidate_id.encode()
            outputs.append(OutputRecord(self.topics.lightcurves, key, source.value, headers))
        outputs.append(self._outcome(source, OutcomeKind.SCORED, candidate))
        self.on_scored(candidate, item.report, verdict)
        return outputs

    def _reject(
        self, source: SourceRecord, reason: str, message: str, candidate_id: str | None = None
    ) -> list[OutputRecord]:
        log.warning(
            "packet quarantined",
            topic=source.topic,
            partition=source.partition,
            offset=source.offset,
            reason=reason,
            message=message[:300],
        )
        return [
            self.quarantine.record(source, reason, message, self.clock(), candidate_id),
            self._outcome(source, OutcomeKind.QUARANTINED, None, reason, candidate_id),
        ]

    def _outcome(
        self,
        source: SourceRecord,
        outcome: OutcomeKind,
        candidate: Candidate | None,
        reason: str | None = None,
        candidate_id: str | None = None,
    ) -> OutputRecord:
        known = (
            candidate.candidate_id if candidate else candidate_id or short_header(source, CANDIDATE_HEADER)
        )
        return outcome_record(
            self.writer,
            self.topics.outcomes,
            stage=STAGE,
            source=source,
            outcome=outcome,
            settings_hash=self.rules.hash,
            time_ms=self.clock(),
            candidate_id=known,
            reason=reason,
            trace=_trace(candidate, source) if candidate else inherited_headers(source),
        )

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.observe(step, time.perf_counter() - start)


def _trace(candidate: Candidate, source: SourceRecord) -> Headers:
    return trace_headers(candidate.candidate_id, candidate.tense.value, short_header(source, TRACE_HEADER))
