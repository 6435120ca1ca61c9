"""Configuration of every librdkafka client in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from stream_worker.settings import KafkaSettings

ErrorCallback = Callable[[KafkaError], None]

CANDIDATE_MAX_BYTES = 16 * 2**20
"""Largest record of the candidates topic; larger than what the worker accepts, so that it can say so."""


STATISTICS_INTERVAL_MS = 2_000


def admin_client(kafka: KafkaSettings, client_id: str) -> AdminClient:
    """Admin client (topics, offsets)."""
    return AdminClient({**_common(kafka, client_id), **kafka.client_properties()})


def plain_consumer(kafka: KafkaSettings, client_id: str, *, isolation: str = "read_committed") -> Consumer:
    """Consumer without a group of its own, for tail and balance; offsets are never committed."""
    return Consumer(
        {
            **_common(kafka, client_id),
            "fetch.message.max.bytes": CANDIDATE_MAX_BYTES + 2**20,
            **kafka.client_properties(kafka.consumer_properties),
            "group.id": client_id,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": isolation,
            "enable.partition.eof": True,
        }
    )


def group_consumer(
    kafka: KafkaSettings,
    group_id: str,
    client_id: str,
    *,
    on_error: ErrorCallback,
    on_statistics: Callable[[str], None],
) -> Consumer:
    """Consumer of a stage: read_committed, no auto-commit, prefetch bounded in bytes (KIP-98, KIP-447).

    ``on_statistics`` hears librdkafka's JSON statistics; it and ``on_error`` are called inside polls.
    """
    return Consumer(
        {
            **_common(kafka, client_id),
            "session.timeout.ms": kafka.session_timeout_ms,
            "heartbeat.interval.ms": max(kafka.session_timeout_ms // 3, 300),
            "max.poll.interval.ms": max(kafka.max_poll_interval_ms, kafka.session_timeout_ms),
            "partition.assignment.strategy": "cooperative-sticky",
            "queued.max.messages.kbytes": max(kafka.prefetch_bytes // 1024, 1024),
            "fetch.max.bytes": max(kafka.prefetch_bytes, CANDIDATE_MAX_BYTES + 2**20),
            "fetch.wait.max.ms": 100,
            "statistics.interval.ms": STATISTICS_INTERVAL_MS,
            **kafka.client_properties(kafka.consumer_properties),
            "group.id": group_id,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "error_cb": on_error,
            "stats_cb": on_statistics,
        }
    )


def transactional_producer(
    kafka: KafkaSettings, transactional_id: str, client_id: str, on_error: ErrorCallback
) -> Producer:
    """Transactional producer; Java's partitioner, so that every client finds a key on one partition."""
    return Producer(
        {
            **_producer_defaults(kafka, client_id),
            "transaction.timeout.ms": kafka.transaction_timeout_ms,
            **kafka.client_properties(kafka.producer_properties),
            "transactional.id": transactional_id,
            "enable.idempotence": True,
            "error_cb": on_error,
        }
    )


def idempotent_producer(kafka: KafkaSettings, client_id: str) -> Producer:
    """Idempotent producer for ingest, which is at least once."""
    return Producer(
        {
            **_producer_defaults(kafka, client_id),
            **kafka.client_properties(kafka.producer_properties),
            "enable.idempotence": True,
        }
    )


def property_faults(kafka: KafkaSettings) -> list[str]:
    """Every pass-through property that librdkafka refuses, with its reason; values are not shown."""
    faults = []
    kinds: list[tuple[str, Mapping[str, SecretStr], Callable[[dict[str, Any]], Any]]] = [
        ("properties", kafka.properties, Producer),
        ("producer_properties", kafka.producer_properties, Producer),
        ("consumer_properties", kafka.consumer_properties, Consumer),
    ]
    for section, properties, client in kinds:
        required = {"group.id": "check"} if client is Consumer else {}
        for name, value in properties.items():
            try:
                client({**required, name: value.get_secret_value()})
            except KafkaException as error:
                reason = error.args[0].str().replace(value.get_secret_value() or "\0", "…")
                faults.append(f"kafka.{section}.{name}: {reason}")
    return faults


def _common(kafka: KafkaSettings, client_id: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": kafka.bootstrap_servers,
        "client.id": client_id,
        "socket.keepalive.enable": True,
        "log_level": 2,  # librdkafka's own lines on standard error: critical ones; errors come by callback
        "reconnect.backoff.max.ms": 5_000,
        # re-bootstrapping drops broker handles, and a call that waits for one then hangs (librdkafka 5511)
        "metadata.recovery.strategy": "none",
    }


def _producer_defaults(kafka: KafkaSettings, client_id: str) -> dict[str, Any]:
    return {
        **_common(kafka, client_id),
        "partitioner": "murmur2_random",
        "compression.type": "zstd",
        "linger.ms": 5,
        "message.max.bytes": CANDIDATE_MAX_BYTES + 2**20,
        "queue.buffering.max.kbytes": 128 * 1024,
    }
