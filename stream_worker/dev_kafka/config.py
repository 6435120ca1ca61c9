"""The node's settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from stream_worker.dev_kafka.ports import HOST, Ports

MEBIBYTE = 1024 * 1024

# Shared with compose.yaml: what one node and quick tests need.
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        # one node: nothing to replicate to
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # 50 partitions each would cost a second at the first use
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.num.partitions": "4",
        # members may join, die and be replaced within seconds
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "group.consumer.min.session.timeout.ms": "1000",
        "group.consumer.min.heartbeat.interval.ms": "500",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        # a node killed -9 may register again once its old session is over
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "auto.create.topics.enable": "false",
        # message.max.bytes stays Kafka's own, 1 MiB: a topic of larger records must say so, as on any broker
        "socket.request.max.bytes": str(100 * MEBIBYTE),
        # records may carry the time of old observations and must not expire for it
        "log.retention.ms": "-1",
        "log.retention.bytes": "-1",
    }
)


def bootstrap_servers(ports: Ports) -> str:
    """Return what clients connect to, as librdkafka's ``bootstrap.servers`` takes it."""
    return f"{HOST}:{ports.broker}"


def server_properties(ports: Ports, data: Path) -> str:
    """Return the text of ``server.properties`` for a node on this machine with its data in ``data``."""
    own = {
        "listeners": f"PLAINTEXT://{HOST}:{ports.broker},CONTROLLER://{HOST}:{ports.controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{ports.broker}",
        "controller.quorum.bootstrap.servers": f"{HOST}:{ports.controller}",
        "log.dirs": str(data).replace("\\", "\\\\"),
    }
    return "".join(f"{name}={value}\n" for name, value in {**SETTINGS, **own}.items())
