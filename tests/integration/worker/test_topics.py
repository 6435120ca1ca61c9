"""`stream-worker topics` on a real broker, as the chart's hook and `helm test` run it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from stream_worker.cli.topics import topics
from stream_worker.local_stream.stream import own_names

SHAPE = ["--partitions", "3", "--replication-factor", "1", "--min-insync-replicas", "1"]


@pytest.fixture
def run(kafka, topic_prefix, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    for name, topic in own_names(topic_prefix)["topics"].items():
        monkeypatch.setenv(f"LENSNET_TOPICS__{name.upper()}", topic)
    return lambda *arguments: CliRunner().invoke(topics, list(arguments))


def test_what_create_makes_check_finds_right(run):
    before = run("check", *SHAPE)
    assert before.exit_code == 1
    assert before.output.count(": missing") == 7
    assert run("create", *SHAPE, "--retention-days", "5").exit_code == 0
    assert "exists" in run("create", *SHAPE).output
    after = run("check", *SHAPE, "--retention-days", "5")
    assert after.exit_code == 0, after.output
    assert after.output.count("ok  ") == 7


def test_check_names_every_difference(run):
    assert run("create", *SHAPE).exit_code == 0
    found = run("check", "--partitions", "4", "--replication-factor", "2", "--retention-days", "9")
    assert found.exit_code == 1
    for fault in ("3 partitions, expected 4", "replication factor 1, expected 2", "retention.ms is"):
        assert fault in found.output


def test_more_in_sync_copies_than_copies_are_a_usage_error(run):
    refused = run("create", "--replication-factor", "1", "--min-insync-replicas", "2")
    assert refused.exit_code == 2
    assert "nothing could be written" in refused.output
