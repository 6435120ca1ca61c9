"""Rates of each step, of the steps together, and through a real broker, all in one run."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from stream_worker.batching import Branches, length_sorted_batches
from stream_worker.candidate import Candidate
from stream_worker.dev_kafka import kafka_node
from stream_worker.kafka.candidate_sink import KafkaCandidateSink
from stream_worker.kafka.clients import idempotent_producer, plain_consumer
from stream_worker.local_stream.processes import ProcessFailed, WorkerProcess, start_worker, stopping
from stream_worker.local_stream.stream import PARTITIONS, own_names, own_topics, worker_environment
from stream_worker.offline import open_steps
from stream_worker.plans import candidate_encoder
from stream_worker.settings import KafkaSettings, Settings
from stream_worker.steps import ScoringSteps

_STALLED_S = 60.0
_ONE_BATCH_MS = 50


class TooQuick(Exception):
    """There was too little to measure."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Candidates per second, the best of several rounds for the steps, in one process."""

    candidates: int
    observations_median: float
    packet_bytes_median: float
    cores: int
    provider: str
    intra_op_threads: int
    max_batch: int
    decode_per_s: float
    preprocess_per_s: float
    inference_per_s: float
    steps_per_s: float
    end_to_end_per_s: float | None
    end_to_end_over_inference: float | None

    def as_json(self) -> dict[str, object]:
        """Plain values, rates rounded."""
        return {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self).items()}


def measure(
    settings: Settings,
    candidates: Sequence[Candidate],
    *,
    rounds: int,
    broker: bool,
    say: Callable[[str], None],
) -> Rates:
    """Measure on ``candidates``. Blocks for minutes.

    ``steps_per_s`` is decode, preprocess and inference one after the other, without a broker;
    ``end_to_end_per_s`` counts outcomes that one scorer process commits while it works off a backlog.
    """
    steps = open_steps(settings)
    encode = candidate_encoder(settings)
    packets = [encode(candidate) for candidate in candidates]
    decoded = [steps.decode(packet) for packet in packets]
    branches = [steps.prepare(candidate)[1] for candidate in decoded]
    max_batch = settings.inference.max_batch
    n = len(candidates)
    say("decode, preprocess, inference")
    decode_s = _best(rounds, lambda: [steps.decode(packet) for packet in packets])
    preprocess_s = _best(rounds, lambda: [steps.prepare(candidate) for candidate in decoded])
    inference_s = _best(rounds, lambda: _infer(steps, branches, max_batch))
    together_s = _best(rounds, lambda: _all_steps(steps, packets, max_batch))
    end_to_end = _end_to_end(settings, candidates, say) if broker else None
    return Rates(
        candidates=n,
        observations_median=float(np.median([sum(map(len, b)) for b in branches])),
        packet_bytes_median=float(np.median([len(packet) for packet in packets])),
        cores=len(os.sched_getaffinity(0)),
        provider=steps.scorer.provider,
        intra_op_threads=settings.inference.intra_op_threads,
        max_batch=max_batch,
        decode_per_s=n / decode_s,
        preprocess_per_s=n / preprocess_s,
        inference_per_s=n / inference_s,
        steps_per_s=n / together_s,
        end_to_end_per_s=end_to_end,
        end_to_end_over_inference=None if end_to_end is None else end_to_end * inference_s / n,
    )


def _best(rounds: int, run: Callable[[], object]) -> float:
    run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def _infer(steps: ScoringSteps, branches: Sequence[Branches], max_batch: int) -> None:
    for places in length_sorted_batches(branches, max_batch):
        steps.infer([branches[place] for place in places])


def _all_steps(steps: ScoringSteps, packets: Sequence[bytes], max_batch: int) -> None:
    _infer(steps, [steps.prepare(steps.decode(packet))[1] for packet in packets], max_batch)


def _end_to_end(settings: Settings, candidates: Sequence[Candidate], say: Callable[[str], None]) -> float:
    with (
        tempfile.TemporaryDirectory(prefix="lensnet-benchmark-") as name,
        _broker(settings.kafka, say) as kafka,
    ):
        own = own_settings(settings, kafka, len(candidates))
        with own_topics(own, say):
            producer = idempotent_producer(own.kafka, "lensnet-benchmark")
            sink, encode = KafkaCandidateSink(producer, own.topics.candidates), candidate_encoder(own)
            for candidate in candidates:
                sink.send(candidate, encode(candidate))
            sink.flush()
            say("one scorer works off the backlog")
            worker = start_worker("score", worker_environment(own), Path(name))
            with stopping([worker], lambda _name, _code: None):
                worker.wait_started()
                return outcome_rate(_outcome_times(own, worker, len(candidates)))


@contextmanager
def _broker(kafka: KafkaSettings, say: Callable[[str], None]) -> Iterator[KafkaSettings]:
    """The broker that settings, environment or an option name, else one started for the block."""
    if "bootstrap_servers" in kafka.model_fields_set:
        yield kafka
        return
    with kafka_node(say=say) as node:
        yield kafka.model_copy(update={"bootstrap_servers": node.bootstrap_servers})


def own_settings(settings: Settings, kafka: KafkaSettings, candidates: int) -> Settings:
    """The given settings with topics and groups of their own, and at least four batches to work off."""
    own = Settings.model_validate(own_names(f"lensnet-benchmark-{uuid.uuid4().hex[:8]}."))
    records = min(settings.loop.max_records, max(1, candidates // 4))
    return settings.model_copy(
        update={
            "kafka": kafka,
            "topics": own.topics,
            "score": own.score,
            "deduplicate": own.deduplicate,
            "loop": settings.loop.model_copy(update={"max_records": records}),
        }
    )


def _outcome_times(settings: Settings, worker: WorkerProcess, expected: int) -> list[int]:
    """Time stamps (ms) of the first ``expected`` committed outcomes, read as they come."""
    consumer = plain_consumer(settings.kafka, "lensnet-benchmark-read")
    topic = settings.topics.outcomes
    consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(PARTITIONS)])
    times: list[int] = []
    last = time.monotonic()
    try:
        while len(times) < expected:
            for message in consumer.consume(1000, 0.5):
                error = message.error()
                if error is None:
                    times.append(message.timestamp()[1])
                    last = time.monotonic()
                elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's local codes
                    raise KafkaException(error)
            if worker.process.poll() is not None and len(times) < expected:
                raise ProcessFailed(
                    f"{worker.name} ended with code {worker.process.returncode}:\n{worker.tail()}"
                )
            if time.monotonic() - last > _STALLED_S:
                raise ProcessFailed(
                    f"{len(times)} of {expected} outcomes, and none for {_STALLED_S:g} s:\n{worker.tail()}"
                )
    finally:
        consumer.close()
    return times


def outcome_rate(times_ms: Sequence[int]) -> float:
    """Outcomes per second after the first batch, whose start is not known.

    Raises
    ------
    TooQuick
        All outcomes came in one batch.
    """
    start = max(t for t in times_ms if t <= min(times_ms) + _ONE_BATCH_MS)
    later = [t for t in times_ms if t > start]
    if not later:
        raise TooQuick(
            f"all {len(times_ms)} outcomes came within {_ONE_BATCH_MS} ms: measure more candidates"
        )
    return 1000 * len(later) / (max(later) - start)
