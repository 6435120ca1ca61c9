from __future__ import annotations

import json

from prometheus_client import CollectorRegistry

from stream_worker.monitor import Monitor
from stream_worker.settings import TopicSettings
from stream_worker.telemetry.health import Health
from stream_worker.telemetry.metrics import Metrics


def statistics(*, state: str, desired: bool, lag: int) -> str:
    partition = {"partition": 3, "desired": desired, "consumer_lag": lag}
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


def test_statistics_tell_whether_a_broker_is_reachable():
    registry = CollectorRegistry()
    health = Health(60)
    monitor = Monitor("score", health, Metrics(registry, "score"), TopicSettings())
    monitor.statistics(statistics(state="UP", desired=True, lag=0))
    assert health.broker_reachable
    monitor.statistics(statistics(state="DOWN", desired=True, lag=0))
    assert not health.broker_reachable
    assert registry.get_sample_value("lensnet_broker_up", {"stage": "score"}) == 0
