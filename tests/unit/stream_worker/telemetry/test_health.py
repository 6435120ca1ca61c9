from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry

from stream_worker.telemetry.health import Health, HealthServer
from stream_worker.telemetry.metrics import Metrics


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def health(clock):
    return Health(heartbeat_limit_s=30, monotonic=clock)


def test_life_of_a_worker(health, clock):
    assert not health.check("startupz")[0]
    assert health.check("livez")[0]
    assert health.check("readyz") == (False, "starting, no broker reachable")
    health.started = health.broker_reachable = True
    assert health.check("startupz")[0]
    assert health.check("readyz") == (True, "ready")
    health.draining = True
    assert health.check("readyz") == (False, "draining")


def test_an_unreachable_broker_takes_readiness_but_not_life(health, clock):
    health.started, health.broker_reachable = True, False
    clock.now += 29
    health.beat()
    assert health.check("livez")[0]
    assert not health.check("readyz")[0]


def test_a_stuck_loop_is_not_alive(health, clock):
    health.started = health.broker_reachable = True
    clock.now += 31
    assert not health.check("livez")[0]
    assert "stuck" in health.check("readyz")[1]


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_end_points(health):
    metrics = Metrics(CollectorRegistry(), "score")
    metrics.outcomes.labels("score", "SCORED").inc(3)
    server = HealthServer("127.0.0.1", 0, health, metrics.registry)
    try:
        assert get(server.port, "/startupz") == (503, "starting\n")
        assert get(server.port, "/livez")[0] == 200
        status, text = get(server.port, "/metrics")
        assert status == 200
        assert 'lensnet_outcomes_total{outcome="SCORED",stage="score"} 3.0' in text
        assert get(server.port, "/other")[0] == 404
    finally:
        server.close()
