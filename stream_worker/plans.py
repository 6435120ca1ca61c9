"""Wires settings into the stages; whatever forbids a start is found here, before subscribing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any

import structlog

import schemas
from stream_worker.bundle import BundleError
from stream_worker.candidate import Candidate, Tense
from stream_worker.changelog import NEIGHBOUR_SCHEMA
from stream_worker.codec import CANDIDATE, RegistryUnavailable, SchemaResolver, decode, encode_candidate
from stream_worker.codec.registry import HttpRegistry, RegistrationRefusedError
from stream_worker.deduplicate_stage import ALERT_SCHEMA, RETRACT_SCHEMA, DeduplicateStage
from stream_worker.framing import confluent, single_object
from stream_worker.kafka.changelog import latest_values
from stream_worker.kafka.reading import ATTEMPT_S
from stream_worker.monitor import Monitor
from stream_worker.named_bundle import named_bundle
from stream_worker.outcome import OUTCOME_SCHEMA
from stream_worker.outputs import Frame, OutputWriter
from stream_worker.preprocessing import PREPROCESSING_VERSION, Report
from stream_worker.quarantine import QUARANTINE_SCHEMA, Quarantine
from stream_worker.score_record import DAY_MS, UNIX_EPOCH_HJD, ModelIdentity
from stream_worker.score_stage import SCORE_SCHEMA, ScoreStage
from stream_worker.scoring import ProviderUnavailable, Score, Scorer, ScorerBroken, open_scorer
from stream_worker.settings import RegistrySettings, Settings, SettingsError, without_credentials
from stream_worker.sky import SkyCells
from stream_worker.steps import ScoringSteps
from stream_worker.telemetry.metrics import Metrics
from stream_worker.watched_rules import watch_rules
from stream_worker.worker import StagePlan, StartupFaults, now_ms, worker_name

log = structlog.get_logger(__name__)


def score_plan(settings: Settings) -> StagePlan:
    """How to build and run the score stage."""

    def build(monitor: Monitor, metrics: Metrics) -> ScoreStage:
        faults: list[str] = []
        frame = _frame(settings, faults)
        scorer = _open_scorer(settings, faults)
        if frame is None or scorer is None:
            raise StartupFaults(faults)
        model = model_identity(scorer)
        _compare_thresholds(settings, scorer)
        metrics.model.info(
            {
                "name": model.name,
                "version": model.version,
                "sha256": model.sha256,
                "provider": scorer.provider,
                "requested_provider": settings.inference.provider,
            }
        )
        return ScoreStage(
            steps=ScoringSteps(candidate_resolver(settings), scorer),
            model=model,
            sky=SkyCells(settings.rules.neighbour_radius_arcsec),
            writer=OutputWriter(frame),
            quarantine=_quarantine(settings, "score", frame),
            topics=settings.topics,
            rules=watch_rules(settings.rules, settings.file, os.environ),
            max_batch=settings.inference.max_batch,
            clock=now_ms,
            observe=monitor.step,
            on_scored=_count_scores(metrics),
        )

    topics = settings.topics
    return StagePlan(
        "score",
        topics.candidates,
        settings.score.group_id,
        build,
        outputs=(topics.scores, topics.lightcurves, topics.quarantine, topics.outcomes),
    )


def deduplicate_plan(settings: Settings) -> StagePlan:
    """How to build and run the grouping stage."""

    def build(monitor: Monitor, _metrics: Metrics) -> DeduplicateStage:
        faults: list[str] = []
        frame = _frame(settings, faults)
        if frame is None:
            raise StartupFaults(faults)
        return DeduplicateStage(
            decode_score=record_decoder(settings, "score"),
            decode_retract=record_decoder(settings, "retract"),
            decode_state=record_decoder(settings, "neighbour"),
            read_state=partial(
                latest_values,
                settings.kafka,
                settings.topics.neighbours,
                beat=monitor.beat,
                timeout_s=ATTEMPT_S,
            ),
            writer=OutputWriter(frame),
            quarantine=_quarantine(settings, "deduplicate", frame),
            topics=settings.topics,
            rules=watch_rules(settings.rules, settings.file, os.environ),
            clock=now_ms,
            beat=monitor.beat,
        )

    topics = settings.topics
    return StagePlan(
        "deduplicate",
        topics.scores,
        settings.deduplicate.group_id,
        build,
        outputs=(topics.scored, topics.quarantine, topics.outcomes),
        changelog=topics.neighbours,
    )


def candidate_resolver(settings: Settings) -> SchemaResolver:
    """Finds the schema that wrote a candidate packet."""
    return SchemaResolver(
        "candidate", open_registry(settings.registry), max_packet_bytes=settings.max_packet_bytes
    )


def record_decoder(settings: Settings, name: str) -> Callable[[bytes], dict[str, Any]]:
    """Decoder of the system's own records, as version 1; the state of grouping as it is written."""
    reader = NEIGHBOUR_SCHEMA if name == NEIGHBOUR_SCHEMA.name else schemas.load(name, 1)
    resolver = SchemaResolver(name, open_registry(settings.registry), max_packet_bytes=32 * 2**20)

    def decode_record(packet: bytes) -> dict[str, Any]:
        writer, body = resolver.resolve(packet or None)
        return decode(body, writer, reader)

    return decode_record


def open_registry(registry: RegistrySettings) -> HttpRegistry | None:
    """Client of the configured schema registry; None without one.

    Raises
    ------
    SettingsError
        Its address makes no sense.
    """
    if registry.url is None:
        return None
    password = registry.clear_password()
    auth = (registry.username, password or "") if registry.username else None
    try:
        return HttpRegistry(registry.url, auth=auth, timeout_s=registry.timeout_s)
    except ValueError:  # its text may hold a part of the password
        raise SettingsError(
            [f"registry.url: {without_credentials(registry.url)!r} is not http:// or https:// and a host"]
        ) from None


def output_frame(settings: Settings) -> Frame:
    """Framing of everything written: the registry's ids where one is configured.

    Raises
    ------
    SettingsError
        The registry didn't answer, refused a schema, or its address makes no sense.
    """
    registry = open_registry(settings.registry)
    if registry is None:
        return single_object
    topics = settings.topics
    by_topic: Mapping[str, schemas.Schema] = {
        topics.candidates: CANDIDATE,
        topics.scores: SCORE_SCHEMA,
        topics.scored: ALERT_SCHEMA,
        topics.quarantine: QUARANTINE_SCHEMA,
        topics.outcomes: OUTCOME_SCHEMA,
        topics.neighbours: NEIGHBOUR_SCHEMA,
        f"{topics.scores}-retract": RETRACT_SCHEMA,  # orders travel among the scores
    }
    try:
        return confluent(registry, by_topic)
    except (RegistryUnavailable, RegistrationRefusedError, ValueError) as error:
        shown = without_credentials(settings.registry.url or "")
        raise SettingsError([f"registry {shown}: {error}"]) from None


def candidate_encoder(settings: Settings) -> Callable[[Candidate], bytes]:
    """Encode and frame candidates for the candidates topic."""
    frame = output_frame(settings)
    return lambda candidate: frame(CANDIDATE, encode_candidate(candidate))


def model_identity(scorer: Scorer) -> ModelIdentity:
    """Which bundle a scorer runs."""
    manifest = scorer.bundle.manifest
    return ModelIdentity(
        name=manifest.name,
        version=manifest.version,
        sha256=scorer.bundle.sha256,
        preprocessing_version=PREPROCESSING_VERSION,
        provisional=manifest.provisional,
        calibration=manifest.calibration,
    )


def _frame(settings: Settings, faults: list[str]) -> Frame | None:
    try:
        return output_frame(settings)
    except SettingsError as error:
        faults += error.faults
        return None


def _open_scorer(settings: Settings, faults: list[str]) -> Scorer | None:
    inference = settings.inference
    try:
        return open_scorer(
            named_bundle(settings),
            provider=inference.provider,
            intra_op_threads=inference.intra_op_threads,
            allow_fallback=inference.allow_fallback,
        )
    except BundleError as error:
        faults += [f"bundle {error.path}: {fault}" for fault in error.faults]
    except (ProviderUnavailable, ScorerBroken) as error:
        faults.append(f"inference: {error}")
    return None


def _compare_thresholds(settings: Settings, scorer: Scorer) -> None:
    """Say it when a threshold of the operator's is not what the model was released with by that name."""
    own, released = settings.rules.thresholds, scorer.bundle.manifest.thresholds.model_dump(exclude_none=True)
    differing = sorted(name for name in own.keys() & released.keys() if own[name] != released[name])
    if differing:
        log.warning(
            "thresholds differ from the bundle's",
            settings={name: own[name] for name in differing},
            bundle={name: released[name] for name in differing},
        )


def _quarantine(settings: Settings, stage: str, frame: Frame) -> Quarantine:
    return Quarantine(
        writer=OutputWriter(frame),
        topic=settings.topics.quarantine,
        stage=stage,
        worker=worker_name(stage),
        version=version("lensnet"),
        raw_limit=settings.quarantine_raw_bytes,
    )


def _count_scores(metrics: Metrics) -> Callable[[Candidate, Report, Score], None]:
    newest: dict[str, float] = {}

    def count(candidate: Candidate, report: Report, score: Score) -> None:
        metrics.p_review.observe(score.p_review)
        for name in {curve.site for curve in candidate.light_curves if len(curve.hjd)}:
            metrics.site_candidates.labels(name).inc()
        if candidate.tense is not Tense.CURRENT:
            return  # what was observed years ago says nothing about the telescopes now
        for site in report.sites:
            if site.hjd_last is None:
                continue
            observed_at = min((site.hjd_last - UNIX_EPOCH_HJD) * DAY_MS, now_ms()) / 1000
            if observed_at > newest.get(site.site, 0.0):
                newest[site.site] = observed_at
                metrics.newest_observation.labels(site.site).set(observed_at)

    return count
