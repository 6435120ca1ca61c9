"""The demo from start to end; reads top to bottom as what it shows."""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_worker.balance import StageBalance, balance_stages
from stream_worker.candidate import Candidate
from stream_worker.codec import decode_candidate, read_candidates
from stream_worker.demo.bad_packets import bad_packets
from stream_worker.demo.real_event import NAME, STAR, T_CUT, light_curve_files
from stream_worker.dev_kafka import dev_kafka
from stream_worker.ingest.report import archive_text, pysis_text
from stream_worker.ingest.run import run_ingest_archive, run_ingest_pysis
from stream_worker.kafka.candidate_sink import KafkaCandidateSink
from stream_worker.kafka.clients import idempotent_producer
from stream_worker.local_stream.processes import ProcessFailed, WorkerProcess, stopping
from stream_worker.local_stream.simulation import simulation
from stream_worker.local_stream.stream import own_names, own_topics, read_topic, start_stages
from stream_worker.offline import score_offline
from stream_worker.plans import candidate_encoder, candidate_resolver
from stream_worker.settings import Settings, load_settings
from stream_worker.worker import now_ms

AGREEMENT = 1e-6
_SETTLE_TIMEOUT_S = 120.0

Say = Callable[[str], None]


class DemoFailed(Exception):
    """The demo did not do what it shows; the message says what."""


@dataclass(frozen=True, slots=True)
class RealEvent:
    """What became of the real event; ``offline_difference`` is |p_review - offline p_review|."""

    p_review: float
    p_event: float | None
    outcome: str
    alert_type: str | None
    offline_difference: float


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The books of the demo."""

    ingested: int
    books: list[StageBalance]
    alerts: list[dict[str, Any]]
    expected_reasons: list[str]
    real_event: RealEvent
    seconds: float

    @property
    def balanced(self) -> bool:
        """Whether every packet and every score has exactly one outcome."""
        score = self.books[0]
        return all(stage.balanced for stage in self.books) and score.source_records == self.ingested

    def as_json(self) -> dict[str, Any]:
        """The last line of ``--json``."""
        score, grouping = self.books
        return {
            "ingested": self.ingested,
            "scored": score.outcomes["SCORED"],
            "published": grouping.outcomes["PUBLISHED"],
            "below_threshold": grouping.outcomes["BELOW_THRESHOLD"],
            "grouping": {kind.lower(): n for kind, n in sorted(grouping.outcomes.items()) if n},
            "quarantined": score.outcomes["QUARANTINED"] + grouping.outcomes["QUARANTINED"],
            "balanced": self.balanced,
            "real_event": {
                "name": NAME,
                "p_review": self.real_event.p_review,
                "p_event": self.real_event.p_event,
                "outcome": self.real_event.outcome,
                "alert_type": self.real_event.alert_type,
            },
            "seconds": round(self.seconds, 1),
        }


def run_demo(
    *,
    archives: Sequence[Path],
    candidates: int,
    seed: int,
    real_event: Path | None,
    environ: Mapping[str, str],
    say: Say,
    progress: Callable[[int], None],
) -> DemoResult:
    """Run the demo on ``archives``, or on a simulation, and return its books. Blocks for about a minute.

    Raises
    ------
    BadContainer, DemoFailed, ProcessFailed, RealEventMissing, DevKafkaError, TopicCreationError,
    DeliveryError
        What went wrong, in one message.
    """
    began = time.monotonic()
    pysis_files = light_curve_files(real_event)
    with (
        tempfile.TemporaryDirectory(prefix="lensnet-demo-") as name,
        _archives(archives, candidates, seed, Path(name)) as files,
        dev_kafka(env=environ, say=say) as kafka,
    ):
        folder = Path(name)
        settings = _settings(kafka.bootstrap_servers, environ)
        with own_topics(settings, say):
            say("starting the two stages, score and deduplicate, as processes of their own")
            workers = start_stages(settings, folder)
            codes: dict[str, int] = {}
            with stopping(workers, codes.__setitem__):
                if not archives:
                    say(f"waiting for the simulation of {candidates} candidates")
                archive = files()
                for worker in workers:
                    worker.wait_started()
                ingested, expected, real = _ingest(settings, archive, pysis_files, say)
                books = _settle(settings, workers, ingested, progress)
                alerts = read_topic(settings, settings.topics.scored, "alert")
                event = _judge_real_event(settings, real, alerts)
            failed = [worker for worker in workers if codes[worker.name]]
            if failed:
                tails = "\n".join(f"{worker.name}:\n{worker.tail()}" for worker in failed)
                raise DemoFailed(f"a stage did not drain cleanly: exit codes {codes}\n{tails}")
        say("both stages drained and ended with exit code 0")
    return DemoResult(ingested, books, alerts, expected, event, time.monotonic() - began)


def _archives(
    given: Sequence[Path], candidates: int, seed: int, folder: Path
) -> AbstractContextManager[Callable[[], Sequence[Path]]]:
    """What waits for the files to ingest: those given, or else a simulation's."""
    if not given:
        return simulation(candidates, seed, folder)
    _first_candidate(given)  # what can't be read is told before anything is started
    return nullcontext(lambda: given)


def _first_candidate(archives: Sequence[Path]) -> Candidate:
    found = next((candidate for path in archives for candidate in read_candidates(path)), None)
    if found is None:
        raise DemoFailed(f"no candidate in {', '.join(map(str, archives))}")
    return found


def _settings(bootstrap_servers: str, environ: Mapping[str, str]) -> Settings:
    kafka = {"bootstrap_servers": bootstrap_servers, "session_timeout_ms": 6000}
    prefix = f"lensnet-demo-{uuid.uuid4().hex[:8]}."
    return load_settings(environ, overrides={"kafka": kafka, **own_names(prefix)})


def _ingest(
    settings: Settings, archive: Sequence[Path], pysis_files: list[Path], say: Say
) -> tuple[int, list[str], Candidate]:
    """Produce the archive's candidates, bad packets and the real event; how many, bad reasons, the event."""
    sink = KafkaCandidateSink(idempotent_producer(settings.kafka, "lensnet-demo"), settings.topics.candidates)
    encode = candidate_encoder(settings)
    bad = bad_packets(_first_candidate(archive))
    for example in bad:
        sink.send_raw(example.name.encode(), example.packet, [])
    report = run_ingest_archive(archive, sink, encode=encode)
    if not report.ok:
        raise DemoFailed(archive_text(report))
    real = run_ingest_pysis(pysis_files, STAR, sink, encode=encode, now_ms=now_ms(), t_cut=T_CUT)
    if real.candidate is None:
        raise DemoFailed(f"{NAME}: {real.failure}")
    say(f"ingested {report.candidates} candidates and {len(bad)} bad packets, and really observed:")
    say(pysis_text(real))
    say(f"(the files of {NAME} don't give its position: the centre of field 14 stands for it)")
    return report.candidates + len(bad) + 1, sorted(example.reason for example in bad), real.candidate


def _settle(
    settings: Settings, workers: list[WorkerProcess], ingested: int, progress: Callable[[int], None]
) -> list[StageBalance]:
    """Wait until every record of both stages has its outcome."""
    deadline = time.monotonic() + _SETTLE_TIMEOUT_S
    while True:
        books = balance_stages(settings)
        progress(sum(books[0].outcomes.values()))
        score, grouping = books
        done = score.source_records == ingested and score.balanced and grouping.balanced
        if done or time.monotonic() > deadline:
            return books
        for worker in workers:
            if worker.process.poll() is not None:
                raise ProcessFailed(f"{worker.name} ended:\n{worker.tail()}")
        time.sleep(0.5)


def _judge_real_event(settings: Settings, real: Candidate, alerts: list[dict[str, Any]]) -> RealEvent:
    """The real event's score on the topic, compared with the offline score of the same packet."""
    scores = [s for s in read_topic(settings, settings.topics.scores, "score") if not s["halo"]]
    score = next((s for s in scores if s["candidate_id"] == real.candidate_id), None)
    if score is None:
        raise DemoFailed(f"{NAME} has no score")
    outcome = _outcome(settings, "deduplicate", real.candidate_id)
    alert = next((a for a in alerts if a["candidate_id"] == real.candidate_id), None)
    offline = score_offline(settings, [_as_received(settings, real)])[0]
    difference = abs(offline.p_review - score["p_review"])
    if difference > AGREEMENT:
        raise DemoFailed(f"{NAME}: streamed p_review differs from the offline one by {difference:.2e}")
    return RealEvent(
        p_review=score["p_review"],
        p_event=score["p_event"],
        outcome=outcome.lower(),
        alert_type=alert["alert_type"] if alert else None,
        offline_difference=difference,
    )


def _outcome(settings: Settings, stage: str, candidate_id: str) -> str:
    """What a stage says became of a candidate; of its halo copies it says nothing new."""
    for entry in read_topic(settings, settings.topics.outcomes, "outcome"):
        mine = entry["stage"] == stage and entry["candidate_id"] == candidate_id
        if mine and entry["outcome"] != "HALO":
            return str(entry["outcome"])
    raise DemoFailed(f"{NAME} has no outcome of the {stage} stage")


def _as_received(settings: Settings, candidate: Candidate) -> Candidate:
    """The candidate after a round trip through its packet, as the worker sees it."""
    writer, body = candidate_resolver(settings).resolve(candidate_encoder(settings)(candidate))
    return decode_candidate(body, writer)


def result_line(result: DemoResult) -> str:
    """The one last line of ``--json``."""
    return json.dumps(result.as_json())
