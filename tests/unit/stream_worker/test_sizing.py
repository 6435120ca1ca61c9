from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from stream_worker.cli.sizing import sizing
from stream_worker.sizing import Load, Measured, size


def test_the_arithmetic_by_hand():
    load = Load(36_000, observations=100, burst_share=0.5, burst_s=100, night_s=36_000, passed_share=0)
    measured = Measured(
        scorer_per_s=10,
        deduplicator_per_s=100,
        bytes_per_observation=10,
        bytes_per_packet=0,
        score_bytes=100,
        outcome_bytes=10,
        halo_copies=1,
        headroom=0.5,
        broker_bytes_per_s=100_000,
    )
    found = size(load, measured)
    assert found.mean_per_s == 1
    assert found.peak_per_s == 180.5  # 18,000 in 100 s, and one every two seconds
    assert found.scorer_replicas == 37  # 180.5 by 10 a second half busy, rounded up
    assert found.deduplicator_replicas == 4
    assert found.partitions == 84  # twice 37, up to a multiple of 12
    assert found.bytes_per_night == 36_000 * (1_000 + 100 + 20)
    assert found.stored_bytes == 36_000 * 1_120 * 30 * 3
    assert found.peak_bytes_per_s == pytest.approx(180.5 * 1_120 * 3)
    assert found.brokers == 7


def test_small_surveys_still_survive_a_lost_pod_and_a_lost_broker():
    found = size(Load(10), Measured())
    assert (found.scorer_replicas, found.deduplicator_replicas, found.brokers) == (2, 2, 3)
    assert found.partitions == 12


def test_the_command_gives_the_three_surveys_or_the_one_asked_for():
    run = CliRunner().invoke
    three = json.loads(run(sizing, ["--json"]).output)
    assert list(three) == ["KMTNet", "10 x KMTNet", "Rubin"]
    assert three["Rubin"]["peak_per_s"] > 100 * three["KMTNet"]["peak_per_s"]
    one = json.loads(run(sizing, ["--candidates-per-night", "60000", "--scorer-per-s", "5", "--json"]).output)
    assert one["given"]["scorer_replicas"] > three["KMTNet"]["scorer_replicas"]
    assert "stored bytes" in run(sizing, []).output
    assert run(sizing, ["--burst-s", "0"]).exit_code == 2
