"""One worker process: check everything, open the clients, run the loop, drain on a signal."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from types import FrameType
from typing import TYPE_CHECKING

import structlog
from confluent_kafka import KafkaException
from prometheus_client import CollectorRegistry

from stream_worker.kafka import clients
from stream_worker.kafka.consumer import GroupSource
from stream_worker.kafka.errors import ConsumerFatal, ProducerFatal
from stream_worker.kafka.reading import settled_after_s
from stream_worker.kafka.topics import partition_counts
from stream_worker.kafka.transaction import KafkaTransactions, TransactionalProducer
from stream_worker.loop import Stage, StageFatal, StatefulStage, run_loop
from stream_worker.monitor import Monitor
from stream_worker.settings import KafkaSettings, Settings, SettingsError
from stream_worker.telemetry.health import Health, HealthServer
from stream_worker.telemetry.logs import configure_logging
from stream_worker.telemetry.metrics import Metrics
from stream_worker.telemetry.tracing import TracedTransactions, open_tracing
from stream_worker.telemetry.watchdog import Watchdog

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = structlog.get_logger(__name__)

OK, FAILED, CONFIG = 0, 1, 2
_ATTEMPT_S = 5.0

ProducerFactory = Callable[[KafkaSettings, str, str, clients.ErrorCallback], TransactionalProducer]


class StartupFaults(Exception):
    """The worker must not start; ``faults`` lists every reason. Exit with code 2."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What a stage brings: where it reads, in which group, what it writes, and how it is built.

    ``build`` verifies all that the stage needs (bundle, registry) and raises StartupFaults. ``outputs`` are
    the topics that it writes. ``changelog`` is one more, of a stage that remembers: its partitions are those
    of ``topic``.
    """

    name: str
    topic: str
    group_id: str
    build: Callable[[Monitor, Metrics], Stage]
    outputs: tuple[str, ...]
    changelog: str | None = None


def run_worker(
    plan: StagePlan,
    settings: Settings,
    *,
    producer_factory: ProducerFactory = clients.transactional_producer,
) -> int:
    """Run one stage until SIGTERM or SIGINT. Blocks.

    Returns
    -------
    int
        0 after a drain, 1 after a fatal error, 2 when anything forbids the start.
    """
    worker = worker_name(plan.name)
    configure_logging(settings.log, stage=plan.name, worker=worker)
    log.info("starting", version=version("lensnet"), settings=settings.describe())
    # between two heartbeats lies at most one gathering, one batch and one transaction with its retries
    slowest_round_s = (settings.kafka.transaction_timeout_ms + settings.loop.max_wait_ms) / 1000
    health = Health(heartbeat_limit_s=max(settings.loop.stuck_after_s, 3 * slowest_round_s))
    metrics = Metrics(CollectorRegistry(), plan.name)
    monitor = Monitor(plan.name, health, metrics, settings.topics)
    with ExitStack() as stack, _stop_signals(settings.loop.drain_timeout_s, health) as stop:
        try:
            stage = _check_and_build(plan, settings, monitor, metrics)
            tracing = _tracing(stack, settings, plan.name)
            server = _serve(settings, health, metrics)
        except StartupFaults as error:
            for fault in error.faults:
                log.critical("cannot start", fault=fault)
            return CONFIG
        stack.callback(server.close)
        health.beat()
        stack.callback(Watchdog(health).close)
        log.info("serving health and metrics", port=server.port)
        try:
            return _run(plan, settings, stage, monitor, stop, producer_factory, worker, tracing)
        except StartupFaults as error:
            for fault in error.faults:
                log.critical("cannot start", fault=fault)
            return CONFIG
        except (ProducerFatal, ConsumerFatal, StageFatal) as error:
            log.critical("fatal, exiting", error=str(error), kind=type(error).__name__)
            return FAILED


def _run(
    plan: StagePlan,
    settings: Settings,
    stage: Stage,
    monitor: Monitor,
    stop: threading.Event,
    producer_factory: ProducerFactory,
    worker: str,
    tracing: TracerProvider | None,
) -> int:
    kafka = settings.kafka
    # unique per process start: a restarted worker must never be taken for the one it replaces
    transactional_id = f"{worker}-{uuid.uuid4().hex[:12]}"
    producer = producer_factory(kafka, transactional_id, worker, monitor.client_error)
    sink = KafkaTransactions(
        producer,
        timeout_s=kafka.transaction_timeout_ms / 1000,
        should_stop=stop.is_set,
        on_retry=monitor.broker_unreachable,
    )
    if not sink.open():
        return OK
    if not _check_topics(plan, settings, monitor, stop):
        return OK
    consumer = clients.group_consumer(
        kafka, plan.group_id, worker, on_error=monitor.client_error, on_statistics=monitor.statistics
    )
    state = stage if isinstance(stage, StatefulStage) else None
    source = GroupSource(
        consumer,
        plan.topic,
        settings.loop,
        monitor,
        offsets_timeout_s=settled_after_s(kafka),
        state=state,
        should_stop=stop.is_set,
        pause=stop.wait,
    )
    monitor.health.started = True
    log.info("subscribed", topic=plan.topic, group=plan.group_id, transactional_id=transactional_id)
    gc.freeze()  # modules and model live as long as the process: its collections need not walk through them
    try:
        writer = sink if tracing is None else TracedTransactions(sink, tracing, plan.name)
        run_loop(stage, source, writer, monitor, stop, settings.loop, state=state)
    finally:
        source.close()
    log.info("drained")
    return OK


def _check_and_build(plan: StagePlan, settings: Settings, monitor: Monitor, metrics: Metrics) -> Stage:
    faults = clients.property_faults(settings.kafka)
    try:
        stage = plan.build(monitor, metrics)
    except StartupFaults as error:
        raise StartupFaults([*faults, *error.faults]) from None
    if faults:
        raise StartupFaults(faults)
    return stage


def _check_topics(plan: StagePlan, settings: Settings, monitor: Monitor, stop: threading.Event) -> bool:
    """Refuse to start where topics are missing, or the state of a partition could not be kept beside it.

    Blocks until a broker has answered (True) or a stop is wanted (False).

    Raises
    ------
    StartupFaults
        With every topic that doesn't exist.
    """
    names = [name for name in (plan.topic, plan.changelog, *plan.outputs) if name is not None]
    admin = clients.admin_client(settings.kafka, plan.name)
    while not stop.is_set():
        try:
            counts = partition_counts(admin, names, _ATTEMPT_S)
        except KafkaException as error:
            log.warning("topics not yet known, retrying", error=error.args[0].str())
            monitor.broker_unreachable()
            stop.wait(settings.loop.backoff_initial_s)
        else:
            if faults := _topic_faults(plan, names, counts):
                raise StartupFaults(faults)
            return True
    return False


def _topic_faults(plan: StagePlan, names: list[str], counts: Mapping[str, int]) -> list[str]:
    faults = []
    if missing := [name for name in names if name not in counts]:
        hint = "stream-worker topics create"
        if plan.changelog in missing:
            hint += f"; stream-worker rebuild if {plan.changelog} was lost"
        faults.append(f"topics that do not exist: {', '.join(missing)} ({hint})")
    pair = {name: n for name, n in counts.items() if name in (plan.topic, plan.changelog)}
    if len(set(pair.values())) > 1:
        differing = ", ".join(f"{name} {n}" for name, n in pair.items())
        faults.append(f"partitions differ, expected as many: {differing}")
    return faults


def _tracing(stack: ExitStack, settings: Settings, stage: str) -> TracerProvider | None:
    try:
        return stack.enter_context(open_tracing(settings.tracing, f"lensnet-{stage}"))
    except SettingsError as error:
        raise StartupFaults(error.faults) from None


def _serve(settings: Settings, health: Health, metrics: Metrics) -> HealthServer:
    try:
        return HealthServer(settings.http.host, settings.http.port, health, metrics.registry)
    except OSError as error:
        raise StartupFaults(
            [f"http: cannot listen on {settings.http.host}:{settings.http.port}: {error.strerror}"]
        ) from None


@contextmanager
def _stop_signals(drain_timeout_s: float, health: Health) -> Iterator[threading.Event]:
    """Event set by SIGTERM or SIGINT; a drain that takes too long ends the process.

    A forced end loses nothing: the open transaction is aborted by the broker.
    """
    stop = threading.Event()
    timer: list[threading.Timer] = []

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        # no logging here: the signal may have interrupted a write to the same stream
        if stop.is_set():
            return
        stop.set()
        health.draining = True
        timer.append(threading.Timer(drain_timeout_s, os._exit, (FAILED,)))
        timer[0].daemon = True
        timer[0].start()

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number in numbers:  # the process is about to end: a second signal must not spoil its exit code
            signal.signal(number, signal.SIG_IGN)
        for started in timer:
            started.cancel()


def worker_name(stage: str) -> str:
    """Name of this process in logs, client ids and quarantine records."""
    return f"{stage}-{socket.gethostname()}-{os.getpid()}"


def now_ms() -> int:
    """Wall clock, milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000
