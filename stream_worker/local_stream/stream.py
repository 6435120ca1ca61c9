"""Names, topics and stages of a stream of one's own: a given broker's live ones are never touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from stream_worker.balance import read_all
from stream_worker.kafka.clients import admin_client, plain_consumer
from stream_worker.kafka.topics import create_topics, topic_specs
from stream_worker.local_stream.processes import WorkerProcess, start_worker
from stream_worker.plans import record_decoder
from stream_worker.settings import ENV_PREFIX, Settings, TopicSettings

PARTITIONS = 6
_REMOVAL_TIMEOUT_S = 15.0


def own_names(prefix: str) -> dict[str, Any]:
    """Overrides of the settings that start the name of every topic and group with ``prefix``."""
    return {
        "topics": {name: f"{prefix}{name}" for name in TopicSettings.model_fields},
        "score": {"group_id": f"{prefix}score"},
        "deduplicate": {"group_id": f"{prefix}deduplicate"},
    }


def worker_environment(settings: Settings) -> dict[str, str]:
    """Environment from which a worker process loads these settings, but for its logs and HTTP end points."""
    return dict(_variables(ENV_PREFIX, settings.model_dump(exclude={"http", "log"})))


def _variables(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        variable = prefix + name.upper().replace(".", "_")
        if isinstance(value, Mapping):
            yield from _variables(f"{variable}__", value)
        elif value is not None:
            yield variable, value.get_secret_value() if isinstance(value, SecretStr) else str(value)


@contextmanager
def own_topics(settings: Settings, say: Callable[[str], None]) -> Iterator[None]:
    """Topics for the block; they and the stages' groups are deleted after it, as far as the broker lets us.

    Raises
    ------
    TopicCreationError
        With every topic that failed and why.
    """
    admin = admin_client(settings.kafka, "lensnet-local")
    specs = topic_specs(settings, PARTITIONS, retention_days=1)
    try:
        report = create_topics(admin, specs, replication_factor=1)
        say(f"created {len(report.created)} topics of {PARTITIONS} partitions")
        yield
    finally:
        groups = [settings.score.group_id, settings.deduplicate.group_id]
        with suppress(KafkaException, TimeoutError):  # an error here must not hide the block's own
            _remove(admin, [spec.name for spec in specs], groups)


def _remove(admin: AdminClient, topics: list[str], groups: list[str]) -> None:
    pending = list(admin.delete_topics(topics, request_timeout=_REMOVAL_TIMEOUT_S).values())
    # a broker that never had a group has no coordinator to ask: deleting would wait for one in vain
    known = admin.list_consumer_groups(request_timeout=_REMOVAL_TIMEOUT_S).result(_REMOVAL_TIMEOUT_S).valid
    if present := [group.group_id for group in known if group.group_id in groups]:
        pending += admin.delete_consumer_groups(present, request_timeout=_REMOVAL_TIMEOUT_S).values()
    wait(pending, _REMOVAL_TIMEOUT_S)


def start_stages(settings: Settings, folder: Path) -> list[WorkerProcess]:
    """Start one process per stage."""
    environ = worker_environment(settings)
    return [start_worker(stage, environ, folder) for stage in ("score", "deduplicate")]


def read_topic(settings: Settings, topic: str, schema: str) -> list[dict[str, Any]]:
    """Every committed record of a topic of the system, decoded."""
    decode = record_decoder(settings, schema)
    consumer = plain_consumer(settings.kafka, "lensnet-local-read")
    try:
        return [decode(record.value) for record in read_all(consumer, topic)]
    finally:
        consumer.close()
