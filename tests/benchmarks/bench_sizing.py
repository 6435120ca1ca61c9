"""Processor time per record of both stages, without Kafka: what `stream-worker sizing` starts from.

    PYTHONPATH=.:tests python tests/benchmarks/bench_sizing.py

Processor time of the process, not wall clock: other work on the machine changes it little.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from support.candidates import make_candidates

from stream_worker.kafka.records import OutputRecord, SourceRecord
from stream_worker.monitor import Monitor
from stream_worker.plans import candidate_encoder, deduplicate_plan, score_plan
from stream_worker.settings import Settings
from stream_worker.telemetry.health import Health
from stream_worker.telemetry.metrics import Metrics

CANDIDATES, BATCH = 600, 100


def records(topic: str, outputs: list[OutputRecord]) -> list[SourceRecord]:
    now = time.time_ns() // 1_000_000
    return [SourceRecord(topic, 0, i, o.key, o.value, o.headers, now) for i, o in enumerate(outputs)]


def per_record_ms(
    process: Callable[[list[SourceRecord]], object], batches: list[list[SourceRecord]]
) -> float:
    process(batches[0])
    start = time.process_time()
    for batch in batches[1:]:
        process(batch)
    return 1_000 * (time.process_time() - start) / sum(map(len, batches[1:]))


def in_batches(found: list[SourceRecord]) -> list[list[SourceRecord]]:
    return [found[i : i + BATCH] for i in range(0, len(found), BATCH)]


def main() -> None:
    settings = Settings(inference={"intra_op_threads": 1})
    encode = candidate_encoder(settings)
    metrics = Metrics(CollectorRegistry(), "score")
    monitor = Monitor("score", Health(60), metrics, settings.topics)
    score = score_plan(settings).build(monitor, metrics)
    packets = [OutputRecord("", None, encode(c)) for c in make_candidates(CANDIDATES, seed=3)]
    outputs: list[OutputRecord] = []
    score_ms = per_record_ms(
        lambda batch: outputs.extend(score.process(batch)), in_batches(records("candidates", packets))
    )
    scores = [output for output in outputs if output.topic == settings.topics.scores]
    group = deduplicate_plan(settings).build(monitor, metrics)
    group._read_state = lambda partitions: {partition: {} for partition in partitions}
    group.restore([0])

    def judge(batch: list[SourceRecord]) -> None:
        group.process(batch)
        group.committed()

    group_ms = per_record_ms(judge, in_batches(records("scores", scores)))
    mean = sum(len(o.value) for o in scores) / len(scores)
    found = {"score_ms": score_ms, "deduplicate_ms": group_ms, "score_bytes": mean, "scores": len(scores)}
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


if __name__ == "__main__":
    main()
