"""The topics of the system and their creation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from stream_worker.kafka.clients import CANDIDATE_MAX_BYTES
from stream_worker.settings import Settings

_DAY_MS = 86_400_000


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


def topic_specs(settings: Settings, partitions: int, retention_days: int) -> list[TopicSpec]:
    """Every topic of the system; large packets only where packets travel whole."""
    topics = settings.topics
    kept = {"retention.ms": str(retention_days * _DAY_MS)}
    packet = {**kept, "max.message.bytes": str(CANDIDATE_MAX_BYTES + 2**16)}
    return [
        TopicSpec(topics.candidates, partitions, packet),
        TopicSpec(topics.scores, partitions, kept),
        TopicSpec(topics.scored, partitions, kept),
        TopicSpec(topics.lightcurves, partitions, packet),
        TopicSpec(topics.quarantine, partitions, packet),
        TopicSpec(topics.outcomes, partitions, kept),
        TopicSpec(topics.neighbours, partitions, {"cleanup.policy": "compact"}),
    ]


def create_topics(
    admin: AdminClient, specs: list[TopicSpec], *, replication_factor: int, timeout_s: float = 30.0
) -> TopicReport:
    """Create what is missing; existing topics are left as they are. Blocks.

    Raises
    ------
    TopicCreationError
        With every topic that failed and why.
    """
    new = [
        NewTopic(s.name, num_partitions=s.partitions, replication_factor=replication_factor, config=s.config)
        for s in specs
    ]
    created, existing, failed = [], [], []
    for name, future in admin.create_topics(new, request_timeout=timeout_s).items():
        try:
            future.result(timeout_s)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                existing.append(name)
            else:
                failed.append(f"{name}: {error.args[0].str()}")
        else:
            created.append(name)
    if failed:
        raise TopicCreationError("; ".join(sorted(failed)))
    return TopicReport(tuple(sorted(created)), tuple(sorted(existing)))


def partition_counts(admin: AdminClient, names: Iterable[str], timeout_s: float = 30.0) -> dict[str, int]:
    """Partitions of each topic that exists. Blocks; raises KafkaException if the broker doesn't answer."""
    topics = admin.list_topics(timeout=timeout_s).topics
    return {name: len(topics[name].partitions) for name in names if name in topics}
