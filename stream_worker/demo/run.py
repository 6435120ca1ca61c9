"""The demo from start to end; reads top to bottom as what it shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_worker.balance import StageBalance, balance_stages, read_all
from stream_worker.candidate import Candidate
from stream_worker.codec import decode_candidate, read_candidates
from stream_worker.demo.bad_packets import bad_packets
from stream_worker.demo.processes import ProcessFailed, WorkerProcess, start_worker, stopping
from stream_worker.demo.real_event import NAME, STAR, T_CUT, light_curve_files
from stream_worker.dev_kafka import dev_kafka
from stream_worker.dev_kafka.guard import guarded
from stream_worker.ingest.report import pysis_text
from stream_worker.ingest.run import run_ingest_archive, run_ingest_pysis
from stream_worker.kafka.candidate_sink import KafkaCandidateSink
from stream_worker.kafka.clients import admin_client, idempotent_producer, plain_consumer
from stream_worker.kafka.topics import create_topics, topic_specs
from stream_worker.offline import score_offline
from stream_worker.plans import candidate_encoder, candidate_resolver, record_decoder
from stream_worker.settings import Settings, load_settings
from stream_worker.worker import now_ms

PARTITIONS = 6
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
    candidates: int,
    seed: int,
    real_event: Path | None,
    environ: Mapping[str, str],
    say: Say,
    progress: Callable[[int], None],
) -> DemoResult:
    """Run the demo and return its books. Blocks for about a minute.

    Raises
    ------
    DemoFailed, ProcessFailed, RealEventMissing, DevKafkaError
        What went wrong, in one message.
    """
    began = time.monotonic()
    pysis_files = light_curve_files(real_event)
    with (
        tempfile.TemporaryDirectory(prefix="lensnet-demo-") as name,
        dev_kafka(env=environ, say=say) as kafka,
    ):
        folder = Path(name)
        settings = demo_settings(kafka.bootstrap_servers)
        with _simulation(candidates, seed, folder) as simulated, demo_topics(settings, say):
            say("starting the two stages, score and deduplicate, as processes of their own")
            workers = start_stages(settings, folder)
            codes: dict[str, int] = {}
            with stopping(workers, codes.__setitem__):
                archive = simulated()
                for worker in workers:
                    worker.wait_started()
                ingested, expected, real = _ingest(settings, archive, pysis_files, say)
                books = _settle(settings, workers, ingested, progress)
                alerts = read_topic(settings, settings.topics.scored, "alert")
                event = _judge_real_event(settings, real, alerts)
            if any(codes.values()):
                raise DemoFailed(f"a stage did not drain cleanly: exit codes {codes}\n{workers[0].tail()}")
        say("both stages drained and ended with exit code 0")
    return DemoResult(ingested, books, alerts, expected, event, time.monotonic() - began)


def demo_settings(bootstrap_servers: str) -> Settings:
    """Settings with topics and groups of their own, so that a given broker's live ones are never touched."""
    prefix = f"lensnet-demo-{uuid.uuid4().hex[:8]}"
    names = ("candidates", "scores", "scored", "lightcurves", "quarantine", "outcomes", "neighbours")
    overrides = {
        "kafka": {"bootstrap_servers": bootstrap_servers, "session_timeout_ms": 6000},
        "topics": {name: f"{prefix}.{name}" for name in names},
        "score": {"group_id": f"{prefix}-score"},
        "deduplicate": {"group_id": f"{prefix}-deduplicate"},
    }
    return load_settings(os.environ, overrides=overrides)


def start_stages(settings: Settings, folder: Path) -> list[WorkerProcess]:
    """Start one process per stage."""
    environ = worker_environment(settings)
    return [start_worker(stage, environ, folder) for stage in ("score", "deduplicate")]


def worker_environment(settings: Settings) -> dict[str, str]:
    """Environment that gives a worker process the demo's broker, topics and groups."""
    registry = {"LENSNET_REGISTRY__URL": settings.registry.url} if settings.registry.url else {}
    return {
        **registry,
        "LENSNET_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "LENSNET_KAFKA__SESSION_TIMEOUT_MS": str(settings.kafka.session_timeout_ms),
        "LENSNET_KAFKA__TRANSACTION_TIMEOUT_MS": str(settings.kafka.transaction_timeout_ms),
        **{f"LENSNET_TOPICS__{k.upper()}": v for k, v in settings.topics.model_dump().items()},
        "LENSNET_SCORE__GROUP_ID": settings.score.group_id,
        "LENSNET_DEDUPLICATE__GROUP_ID": settings.deduplicate.group_id,
    }


@contextmanager
def _simulation(candidates: int, seed: int, folder: Path) -> Iterator[Callable[[], list[Path]]]:
    """Run ``model-build simulate`` beside the rest; the value waits for its files."""
    out, log = folder / "season", folder / "simulate.log"
    command = [sys.executable, "-m", "model_build", "simulate", "--out", str(out)]
    command += ["--candidates", str(candidates), "--seed", str(seed)]
    with (
        log.open("wb") as stream,
        subprocess.Popen(  # noqa: S603 - our own command
            guarded(command), stdout=stream, stderr=stream, stdin=subprocess.DEVNULL
        ) as process,
    ):

        def files() -> list[Path]:
            if process.wait() != 0:
                raise ProcessFailed(f"model-build simulate failed:\n{log.read_text()[-2000:]}")
            return sorted(out.glob("run-*.avro"))

        try:
            yield files
        finally:
            process.terminate()


@contextmanager
def demo_topics(settings: Settings, say: Say) -> Iterator[None]:
    """Topics for the block, deleted after it."""
    admin = admin_client(settings.kafka, "lensnet-demo")
    specs = topic_specs(settings, PARTITIONS, retention_days=1)
    report = create_topics(admin, specs, replication_factor=1)
    say(f"created {len(report.created)} topics of {PARTITIONS} partitions")
    try:
        yield
    finally:
        for future in admin.delete_topics([spec.name for spec in specs]).values():
            future.exception(10)


def _ingest(
    settings: Settings, archive: list[Path], pysis_files: list[Path], say: Say
) -> tuple[int, list[str], Candidate]:
    """Produce simulated candidates, bad packets and the real event; how many, bad reasons, the event."""
    sink = KafkaCandidateSink(idempotent_producer(settings.kafka, "lensnet-demo"), settings.topics.candidates)
    encode = candidate_encoder(settings)
    first = next(iter(read_candidates(archive[0])))
    bad = bad_packets(first)
    for example in bad:
        sink.send_raw(example.name.encode(), example.packet, [])
    report = run_ingest_archive(archive, sink, encode=encode)
    if not report.ok:
        raise DemoFailed(f"simulated archive: {report.faults}")
    real = run_ingest_pysis(pysis_files, STAR, sink, encode=encode, now_ms=now_ms(), t_cut=T_CUT)
    if real.candidate is None:
        raise DemoFailed(f"{NAME}: {real.failure}")
    say(f"ingested {report.candidates} simulated candidates and {len(bad)} bad packets, and really observed:")
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


def read_topic(settings: Settings, topic: str, schema: str) -> list[dict[str, Any]]:
    """Every committed record of a topic of the system, decoded."""
    decode = record_decoder(settings, schema)
    consumer = plain_consumer(settings.kafka, "lensnet-demo-read")
    try:
        return [decode(record.value) for record in read_all(consumer, topic)]
    finally:
        consumer.close()


def _judge_real_event(settings: Settings, real: Candidate, alerts: list[dict[str, Any]]) -> RealEvent:
    """The real event's score on the topic, compared with the offline score of the same packet."""
    scores = [s for s in read_topic(settings, settings.topics.scores, "score") if not s["halo"]]
    score = next((s for s in scores if s["candidate_id"] == real.candidate_id), None)
    if score is None:
        raise DemoFailed(f"{NAME} has no score")
    alert = next((a for a in alerts if a["candidate_id"] == real.candidate_id), None)
    offline = score_offline(settings, [_as_received(settings, real)])[0]
    difference = abs(offline.p_review - score["p_review"])
    if difference > AGREEMENT:
        raise DemoFailed(f"{NAME}: streamed p_review differs from the offline one by {difference:.2e}")
    return RealEvent(
        p_review=score["p_review"],
        p_event=score["p_event"],
        outcome="published" if alert else "below_threshold",
        alert_type=alert["alert_type"] if alert else None,
        offline_difference=difference,
    )


def _as_received(settings: Settings, candidate: Candidate) -> Candidate:
    """The candidate after a round trip through its packet, as the worker sees it."""
    writer, body = candidate_resolver(settings).resolve(candidate_encoder(settings)(candidate))
    return decode_candidate(body, writer)


def result_line(result: DemoResult) -> str:
    """The one last line of ``--json``."""
    return json.dumps(result.as_json())
