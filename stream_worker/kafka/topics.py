"""The topics of the system and their creation."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    ResourceType,
    TopicMetadata,
)
from confluent_kafka.cimpl import NewTopic

from stream_worker.kafka.clients import CANDIDATE_MAX_BYTES
from stream_worker.settings import Settings

_DAY_MS = 86_400_000
_GRACE_S = 5.0  # librdkafka ends its requests itself, and then says why


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it should be."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What creation found and did."""

    created: tuple[str, ...]
    existing: tuple[str, ...]


class TopicCreationError(Exception):
    """Some topics could not be created; the message names each."""


def topic_specs(
    settings: Settings, partitions: int, retention_days: int, *, min_insync_replicas: int = 1
) -> list[TopicSpec]:
    """Every topic of the system; large packets only where packets travel whole."""
    topics = settings.topics
    written = {"min.insync.replicas": str(min_insync_replicas)}
    kept = {**written, "retention.ms": str(retention_days * _DAY_MS)}
    packet = {**kept, "max.message.bytes": str(CANDIDATE_MAX_BYTES + 2**16)}
    return [
        TopicSpec(topics.candidates, partitions, packet),
        TopicSpec(topics.scores, partitions, kept),
        TopicSpec(topics.scored, partitions, kept),
        TopicSpec(topics.lightcurves, partitions, packet),
        TopicSpec(topics.quarantine, partitions, packet),
        TopicSpec(topics.outcomes, partitions, kept),
        TopicSpec(topics.neighbours, partitions, {**written, "cleanup.policy": "compact"}),
    ]


def create_topics(
    admin: AdminClient, specs: list[TopicSpec], *, replication_factor: int, timeout_s: float = 30.0
) -> TopicReport:
    """Create what is missing, and wait until the brokers know it; existing topics stay as they are. Blocks.

    Raises
    ------
    TopicCreationError
        With every topic that failed and why.
    KafkaException
        The brokers don't answer.
    """
    admin.list_topics(timeout=timeout_s)
    new = [
        NewTopic(s.name, num_partitions=s.partitions, replication_factor=replication_factor, config=s.config)
        for s in specs
    ]
    created, existing = [], []
    failed: dict[str, list[str]] = {}
    for name, future in admin.create_topics(new, request_timeout=timeout_s).items():
        try:
            future.result(timeout_s + _GRACE_S)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                existing.append(name)
            else:
                failed.setdefault(error.args[0].str(), []).append(name)
        else:
            created.append(name)
    if failed:
        raise TopicCreationError(
            "; ".join(sorted(f"{', '.join(sorted(names))}: {reason}" for reason, names in failed.items()))
        )
    _wait_until_led(admin, created, timeout_s)
    return TopicReport(tuple(sorted(created)), tuple(sorted(existing)))


def _wait_until_led(admin: AdminClient, names: list[str], timeout_s: float) -> None:
    """Wait until every partition has a leader: a busy broker hears of a new topic after its controller."""
    deadline = time.monotonic() + timeout_s
    while waiting := [name for name in names if not _is_led(admin.list_topics(name, timeout_s).topics[name])]:
        if time.monotonic() > deadline:
            raise TopicCreationError("; ".join(f"{name}: created, but without leader" for name in waiting))
        time.sleep(0.05)


def _is_led(topic: TopicMetadata) -> bool:
    return topic.error is None and all(partition.leader >= 0 for partition in topic.partitions.values())


def partition_counts(admin: AdminClient, names: Iterable[str], timeout_s: float = 30.0) -> dict[str, int]:
    """Partitions of each topic that exists. Blocks; raises KafkaException if the broker doesn't answer."""
    topics = admin.list_topics(timeout=timeout_s).topics
    return {name: len(topics[name].partitions) for name in names if name in topics}


def topic_faults(
    admin: AdminClient, specs: list[TopicSpec], *, replication_factor: int, timeout_s: float = 30.0
) -> list[str]:
    """How the topics differ from what they should be; more copies than asked for are fine. Blocks.

    Raises
    ------
    KafkaException
        The brokers don't answer, or refuse.
    """
    found = admin.list_topics(timeout=timeout_s).topics
    faults = [f"{spec.name}: missing" for spec in specs if spec.name not in found]
    there = [spec for spec in specs if spec.name in found]
    for spec in there:
        partitions = found[spec.name].partitions
        if len(partitions) != spec.partitions:
            faults.append(f"{spec.name}: {len(partitions)} partitions, expected {spec.partitions}")
        copies = min((len(partition.replicas) for partition in partitions.values()), default=0)
        if copies < replication_factor:
            faults.append(f"{spec.name}: replication factor {copies}, expected {replication_factor}")
    resources = [ConfigResource(ResourceType.TOPIC, spec.name) for spec in there]
    described = admin.describe_configs(resources, request_timeout=timeout_s) if there else {}
    by_name = {resource.name: future.result(timeout_s + _GRACE_S) for resource, future in described.items()}
    for spec in there:
        for name, expected in spec.config.items():
            value = by_name[spec.name][name].value
            if value != expected:
                faults.append(f"{spec.name}: {name} is {value}, expected {expected}")
    return sorted(faults)
