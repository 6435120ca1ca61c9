from __future__ import annotations

import json
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from support.grouping_bench import TOPICS, Bench, star

from stream_worker.kafka.records import Batch, SourceRecord
from stream_worker.monitor import Monitor, partition_lag
from stream_worker.settings import TopicSettings
from stream_worker.telemetry.health import Health
from stream_worker.telemetry.metrics import Metrics


def statistics(*, state: str, desired: bool, lag: int) -> str:
    partition = {"partition": 3, "desired": desired, "lo_offset": 0, "ls_offset": lag, "next_offset": lag}
    partition |= {"app_offset": 0 if lag else -1001, "committed_offset": -1001, "fetchq_cnt": lag}
    topics = {"in": {"topic": "in", "partitions": {"3": partition}}}
    return json.dumps({"brokers": {"b": {"state": state}}, "topics": topics})


def lag(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("lensnet_consumer_lag", {"topic": "in", "partition": "3"})


def test_lag_is_reported_only_by_the_worker_that_has_the_partition():
    registry = CollectorRegistry()
    monitor = Monitor("score", Health(60), Metrics(registry, "score"), TopicSettings())
    monitor.statistics(statistics(state="UP", desired=True, lag=500))
    assert lag(registry) == 500
    monitor.statistics(statistics(state="UP", desired=False, lag=-1))
    assert lag(registry) is None
    monitor.statistics(statistics(state="UP", desired=False, lag=-1))
    monitor.statistics(statistics(state="UP", desired=True, lag=7))
    assert lag(registry) == 7


def test_before_the_first_commit_the_lag_counts_from_what_was_found_committed():
    registry = CollectorRegistry()
    monitor = Monitor("score", Health(60), Metrics(registry, "score"), TopicSettings())
    monitor.assigned({("in", 3)}, {("in", 3): 490})
    monitor.statistics(statistics(state="UP", desired=False, lag=-1))  # made just before the assignment
    monitor.statistics(statistics(state="UP", desired=True, lag=500))
    assert lag(registry) == 10
    monitor.assigned(set(), {})
    monitor.assigned({("in", 3)}, {})  # its commits have expired meanwhile
    monitor.statistics(statistics(state="UP", desired=True, lag=500))
    assert lag(registry) == 500


def test_lost_records_are_counted_from_0():
    registry = CollectorRegistry()
    monitor = Monitor("score", Health(60), Metrics(registry, "score"), TopicSettings())
    monitor.assigned({("in", 3), ("in", 4)}, {})
    assert registry.get_sample_value("lensnet_assigned_partitions", {"stage": "score"}) == 2
    assert registry.get_sample_value("lensnet_records_lost_total", {"topic": "in"}) == 0
    monitor.records_lost("in", 17)
    assert registry.get_sample_value("lensnet_records_lost_total", {"topic": "in"}) == 17


def test_statistics_tell_whether_a_broker_is_reachable():
    registry = CollectorRegistry()
    health = Health(60)
    monitor = Monitor("score", health, Metrics(registry, "score"), TopicSettings())
    monitor.statistics(statistics(state="UP", desired=True, lag=0))
    assert health.broker_reachable
    monitor.statistics(statistics(state="DOWN", desired=True, lag=0))
    assert not health.broker_reachable
    assert registry.get_sample_value("lensnet_broker_up", {"stage": "score"}) == 0


def test_the_oldest_record_gets_old_while_its_stage_is_stuck_and_is_forgotten_when_nothing_waits():
    now = [1000.0]
    registry = CollectorRegistry()
    monitor = Monitor("score", Health(60), Metrics(registry, "score"), TopicSettings(), lambda: now[0])

    def age() -> float | None:
        return registry.get_sample_value("lensnet_oldest_record_age_seconds", {"stage": "score"})

    assert age() == 0
    monitor.statistics(statistics(state="UP", desired=True, lag=5))
    now[0] += 30
    assert age() == 30  # seen to wait for so long
    record = SourceRecord("in", 3, 0, None, b"", timestamp=900_000)
    monitor.committed(Batch([record]), [])
    assert age() == 130
    now[0] += 60
    monitor.statistics(statistics(state="UP", desired=True, lag=4))
    assert age() == 190
    monitor.statistics(statistics(state="UP", desired=True, lag=0))
    assert age() == 0
    monitor.statistics(statistics(state="UP", desired=True, lag=4))
    assert age() == 0  # new ones, and none of yesterday's age
    now[0] += 10
    assert age() == 10
    monitor.statistics(statistics(state="UP", desired=False, lag=-1))
    assert age() == 0


def test_latency_lasts_until_the_outputs_of_a_held_record_are_committed():
    bench, registry = Bench(), CollectorRegistry()
    began = bench.now
    monitor = Monitor(
        "deduplicate", Health(60), Metrics(registry, "deduplicate"), TOPICS, lambda: bench.now / 1000
    )

    def run(records=(), after_ms=0):
        timed = [replace(record, timestamp=began) for record in records]
        monitor.committed(Batch(timed), bench.run(timed, after_ms=after_ms))
        figures = ("lensnet_latency_seconds_count", "lensnet_latency_seconds_sum")
        return [registry.get_sample_value(figure, {"stage": "deduplicate"}) or 0 for figure in figures]

    held, weak = star("A"), star("WEAK", 100, p_review=0.1)
    assert run(bench.records(held, weak), after_ms=500) == [1, 0.5]
    assert run(after_ms=1_000) == [1, 0.5]
    assert run([bench.order(star("B"))]) == [2, 2.0]
    assert run(after_ms=1_000) == [3, 4.5]


# as librdkafka reported them
FRESH = {"lo_offset": 0, "ls_offset": 18, "next_offset": 0, "committed_offset": -1001, "fetchq_cnt": 0}
DONE = {"lo_offset": 0, "ls_offset": 18, "next_offset": 18, "committed_offset": 18, "fetchq_cnt": 0}
QUEUED = {"lo_offset": 0, "ls_offset": 78, "next_offset": 78, "committed_offset": 18, "fetchq_cnt": 58}
AT_MARKS = DONE | {"ls_offset": 26, "next_offset": 26}


@pytest.mark.parametrize(
    ("partition", "committed", "retrying", "lag"),
    [
        (FRESH, None, False, 18),
        (FRESH | {"ls_offset": -1001}, None, False, None),
        (FRESH | {"lo_offset": 10}, None, False, 8),
        (DONE, None, False, 0),
        (DONE | {"ls_offset": 78}, None, False, 60),
        (QUEUED, 20, False, 58),
        (AT_MARKS, 25, False, 0),
        (AT_MARKS, 21, True, 5),  # the batch in hand does not get through
    ],
)
def test_the_lag_counts_from_what_this_process_committed(partition, committed, retrying, lag):
    assert partition_lag(partition, committed, retrying=retrying) == lag
