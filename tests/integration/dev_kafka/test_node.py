"""A node can be stopped, killed and started again with its data."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from stream_worker.dev_kafka import kafka_node
from stream_worker.dev_kafka.readiness import answers

TOPIC = "records"


@pytest.fixture(scope="module")
def node():
    with kafka_node() as running:
        yield running


def produce(servers: str, value: bytes) -> None:
    delivered = []
    producer = Producer({"bootstrap.servers": servers, "acks": "all"})
    producer.produce(TOPIC, value, on_delivery=lambda error, message: delivered.append(error))
    producer.flush(30)
    assert delivered == [None]


def read(servers: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "unused"})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    messages = consumer.consume(count, timeout=30)
    consumer.close()
    return [message.value() for message in messages]


def test_records_outlive_a_stop_and_a_kill(node):
    servers = node.bootstrap_servers
    new = NewTopic(TOPIC, num_partitions=1, replication_factor=1)
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([new])[TOPIC].result(30)
    produce(servers, b"before the stop")

    node.stop()
    assert node.pid is None
    assert not answers(servers, timeout_s=0.5)
    node.start()
    produce(servers, b"before the kill")

    node.kill()
    assert node.pid is None
    node.start()
    produce(servers, b"after the kill")

    assert node.bootstrap_servers == servers
    assert read(servers, 3) == [b"before the stop", b"before the kill", b"after the kill"]


def test_a_node_that_runs_is_not_started_again(node):
    with pytest.raises(RuntimeError, match=f"runs already, as process {node.pid}"):
        node.start()


def test_a_taken_port_means_other_ports_and_a_failing_block_keeps_the_log(tmp_path, monkeypatch, node):
    """The first ports are those of the other node, which answers there: the new one must not be fooled."""
    from stream_worker.dev_kafka import node as module

    taken, free = node._ports, module.free_ports
    offers = [taken, free(random.Random())]
    monkeypatch.setattr(module, "free_ports", lambda rng: offers.pop(0))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ValueError, match="the test failed") as raised, kafka_node() as second:  # noqa: PT012
        assert offers == []
        assert second.bootstrap_servers != node.bootstrap_servers
        assert answers(second.bootstrap_servers, timeout_s=10)
        log, pid = second.log, second.pid
        raise ValueError("the test failed")
    assert raised.value.__notes__ == [f"Kafka's log is kept: {log}"]
    assert "Kafka Server started" in log.read_text()
    assert not (log.parent / "data").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_a_start_that_fails_says_why(tmp_path, monkeypatch):
    from stream_worker.dev_kafka import StartError, config

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(config, "SETTINGS", {**config.SETTINGS, "num.io.threads": "none"})
    with pytest.raises(StartError, match=r"(?s)could not be formatted.*num\.io\.threads"), kafka_node():
        pytest.fail("a node with a wrong setting started")
