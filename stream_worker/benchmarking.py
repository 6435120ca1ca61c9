"""Rates of each step, of the steps together, and through a real broker, all in one run."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from stream_worker.batching import Branches, length_sorted_batches
from stream_worker.candidate import Candidate
from stream_worker.demo.processes import start_worker, stopping
from stream_worker.demo.run import demo_settings, demo_topics, read_topic, worker_environment
from stream_worker.dev_kafka import dev_kafka
from stream_worker.kafka.candidate_sink import KafkaCandidateSink
from stream_worker.kafka.clients import idempotent_producer
from stream_worker.offline import open_steps
from stream_worker.plans import candidate_encoder
from stream_worker.settings import Settings
from stream_worker.steps import ScoringSteps


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
    with tempfile.TemporaryDirectory(prefix="lensnet-benchmark-") as name, dev_kafka(say=say) as kafka:
        own = demo_settings(kafka.bootstrap_servers).model_copy(
            update={"bundle": settings.bundle, "inference": settings.inference}
        )
        with demo_topics(own, say):
            producer = idempotent_producer(own.kafka, "lensnet-benchmark")
            sink, encode = KafkaCandidateSink(producer, own.topics.candidates), candidate_encoder(own)
            for candidate in candidates:
                sink.send(candidate, encode(candidate))
            sink.flush()
            say("one scorer works off the backlog")
            worker = start_worker("score", _environment(own), Path(name))
            with stopping([worker], lambda _name, _code: None):
                worker.wait_started()
                return _outcome_rate(own, len(candidates))


def _environment(settings: Settings) -> dict[str, str]:
    inference = {
        f"LENSNET_INFERENCE__{k.upper()}": str(v) for k, v in settings.inference.model_dump().items()
    }
    return {**worker_environment(settings), **inference, "LENSNET_BUNDLE": str(settings.bundle)}


def _outcome_rate(settings: Settings, expected: int) -> float:
    """Committed outcomes per second between the first and the last batch."""
    while True:
        times = [o["time"] for o in read_topic(settings, settings.topics.outcomes, "outcome")]
        if len(times) >= expected:
            first = min(times)
            after_first = sum(t > first + 50 for t in times)
            return float(1000 * after_first / (max(times) - first))
        time.sleep(0.5)
