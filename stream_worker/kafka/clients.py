"""Configuration of every librdkafka client in one place.

All raise SettingsError where librdkafka refuses the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from stream_worker.settings import KafkaSettings, SettingsError, is_sensitive

ErrorCallback = Callable[[KafkaError], None]
_Client = TypeVar("_Client")

CANDIDATE_MAX_BYTES = 16 * 2**20
"""Largest record of the candidates topic; larger than what the worker accepts, so that it can say so."""


STATISTICS_INTERVAL_MS = 2_000
_PARTITIONER = "murmur2_random"
_AS_JAVA = frozenset({"murmur2", _PARTITIONER})


def admin_client(kafka: KafkaSettings, client_id: str) -> AdminClient:
    """Admin client (topics, offsets)."""
    return _client(AdminClient, kafka, {**_common(kafka, client_id), **kafka.client_properties()})


def plain_consumer(
    kafka: KafkaSettings,
    client_id: str,
    *,
    group_id: str | None = None,
    isolation: str = "read_committed",
) -> Consumer:
    """Consumer that assigns its partitions itself, for tail and balance; offsets are never committed.

    ``group_id`` names the group whose committed offsets it looks up; without one it is its client id.
    """
    return _client(
        Consumer,
        kafka,
        {
            **_common(kafka, client_id),
            "fetch.message.max.bytes": CANDIDATE_MAX_BYTES + 2**20,
            **kafka.client_properties(kafka.consumer_properties),
            "group.id": group_id or client_id,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": isolation,
            "enable.partition.eof": True,
        },
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
    return _client(
        Consumer,
        kafka,
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
            "auto.offset.reset": "error",  # the source begins again by itself, and tells what was lost
            "isolation.level": "read_committed",
            "error_cb": on_error,
            "stats_cb": on_statistics,
        },
    )


def transactional_producer(
    kafka: KafkaSettings, transactional_id: str, client_id: str, on_error: ErrorCallback
) -> Producer:
    """Transactional producer; Java's partitioner, so that every client finds a key on one partition."""
    return _client(
        Producer,
        kafka,
        {
            **_producer_defaults(kafka, client_id),
            "transaction.timeout.ms": kafka.transaction_timeout_ms,
            **kafka.client_properties(kafka.producer_properties),
            "transactional.id": transactional_id,
            "enable.idempotence": True,
            "error_cb": on_error,
        },
    )


def idempotent_producer(kafka: KafkaSettings, client_id: str) -> Producer:
    """Idempotent producer for ingest, which is at least once."""
    return _client(
        Producer,
        kafka,
        {
            **_producer_defaults(kafka, client_id),
            **kafka.client_properties(kafka.producer_properties),
            "enable.idempotence": True,
        },
    )


def places_keys_as_java(kafka: KafkaSettings) -> bool:
    """Whether the producers find a key's partition as `partitioner.partition_of` does."""
    properties = kafka.client_properties(kafka.producer_properties)
    return properties.get("partitioner", _PARTITIONER) in _AS_JAVA


def property_faults(kafka: KafkaSettings) -> list[str]:
    """Every reason why librdkafka refuses these settings; secrets are not shown.

    Builds a worker's producer and consumer as they will be, and closes them again.
    """
    faults: list[str] = []
    for build in (_trial_producer, _trial_consumer):
        try:
            build(kafka).close()
        except SettingsError as error:
            faults += error.faults
    return list(dict.fromkeys(faults))


def _trial_producer(kafka: KafkaSettings) -> Producer:
    return transactional_producer(kafka, "lensnet-check", "lensnet-check", _ignore)


def _trial_consumer(kafka: KafkaSettings) -> Consumer:
    return group_consumer(kafka, "lensnet-check", "lensnet-check", on_error=_ignore, on_statistics=_ignore)


def _ignore(_event: object) -> None:
    """Do nothing: the callback of a client that only checks its configuration."""


def _client(
    kind: Callable[[dict[str, Any]], _Client], kafka: KafkaSettings, config: dict[str, Any]
) -> _Client:
    """Build a client.

    Raises
    ------
    SettingsError
        Librdkafka refuses the configuration; lists every refused property, or says what doesn't fit.
    KafkaException
        Anything else, e.g. no resources.
    """
    try:
        return kind(config)
    except (KafkaException, TypeError) as error:
        reason = _refusal(error)
        if reason is None:
            raise
        raise SettingsError(_refused(kafka, reason)) from None


def _refused(kafka: KafkaSettings, reason: str) -> list[str]:
    """Every property refused on its own; librdkafka's reason too where it concerns them all."""
    faults = [f"kafka.{path}: {fault}" for path, fault in _refused_alone(kafka)]
    if not faults or _concerns_all(reason):
        faults.append(f"kafka: {reason}")
    secrets = sorted(filter(None, _secrets(kafka)), key=len, reverse=True)
    for secret in secrets:
        faults = [fault.replace(secret, "…") for fault in faults]
    return faults


def _refused_alone(kafka: KafkaSettings) -> Iterator[tuple[str, str]]:
    clear = {name: path.read_text().strip() for name, path in kafka.secret_files.items()}
    sections = {
        "properties": _clear(kafka.properties),
        "producer_properties": _clear(kafka.producer_properties),
        "consumer_properties": _clear(kafka.consumer_properties),
        "secret_files": clear,
    }
    for section, properties in sections.items():
        for name, value in properties.items():
            try:
                Producer({"log_level": 0, name: value}).close()
            except (KafkaException, TypeError) as error:
                reason = _refusal(error)
                # needing others beside it is no fault of a property
                if reason is not None and not _concerns_all(reason):
                    yield f"{section}.{name}", reason


def _refusal(error: Exception) -> str | None:
    """Librdkafka's reason for refusing a configuration, None for any other error."""
    if isinstance(error, TypeError):  # the binding's own properties, which take Python objects
        return str(error)
    reason = error.args[0]
    return reason.str() if reason.code() == KafkaError._INVALID_ARG else None  # noqa: SLF001 - local codes start so


def _concerns_all(reason: str) -> bool:
    return reason.startswith("Failed to create")


def _secrets(kafka: KafkaSettings) -> Iterator[str]:
    for properties in (kafka.properties, kafka.producer_properties, kafka.consumer_properties):
        yield from (value for name, value in _clear(properties).items() if is_sensitive(name))
    yield from (path.read_text().strip() for path in kafka.secret_files.values())


def _clear(properties: Mapping[str, SecretStr]) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in properties.items()}


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
        "partitioner": _PARTITIONER,
        "compression.type": "zstd",
        "linger.ms": 5,
        "message.max.bytes": CANDIDATE_MAX_BYTES + 2**20,
        "queue.buffering.max.kbytes": 128 * 1024,
    }
