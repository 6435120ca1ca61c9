"""``stream-worker topics``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from stream_worker.cli.common import broker_errors, examples, fail, with_settings
from stream_worker.settings import Settings

if TYPE_CHECKING:
    from stream_worker.kafka.topics import TopicSpec


@click.group(epilog=examples("stream-worker topics create --partitions 12 --replication-factor 3"))
def topics() -> None:
    """Manage the topics."""


def _shape(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say how topics should be."""
    for option in reversed(
        (
            click.option("--partitions", type=click.IntRange(1), default=12, show_default=True),
            click.option("--replication-factor", type=click.IntRange(1), default=3, show_default=True),
            click.option(
                "--min-insync-replicas",
                type=click.IntRange(1),
                help="Copies that must have a record before it counts as written.  "
                "[default: one less than the replication factor, at least 1]",
            ),
            click.option("--retention-days", type=click.IntRange(1), default=30, show_default=True),
        )
    ):
        command = option(command)
    return command


def _specs(
    settings: Settings,
    partitions: int,
    replication_factor: int,
    min_insync_replicas: int | None,
    retention_days: int,
) -> list[TopicSpec]:
    from stream_worker.kafka.topics import topic_specs

    in_sync = min_insync_replicas or max(replication_factor - 1, 1)
    if in_sync > replication_factor:
        raise click.UsageError(
            f"--min-insync-replicas {in_sync} is above --replication-factor {replication_factor}: "
            "nothing could be written"
        )
    return topic_specs(settings, partitions, retention_days, min_insync_replicas=in_sync)


@topics.command(epilog=examples("stream-worker topics create --partitions 12 --replication-factor 3"))
@with_settings
@_shape
def create(
    settings: Settings,
    partitions: int,
    replication_factor: int,
    min_insync_replicas: int | None,
    retention_days: int,
) -> None:
    """Create every topic that is missing; existing ones are left as they are."""
    from stream_worker.kafka.clients import admin_client
    from stream_worker.kafka.topics import TopicCreationError, create_topics

    specs = _specs(settings, partitions, replication_factor, min_insync_replicas, retention_days)
    with broker_errors(settings):
        try:
            report = create_topics(
                admin_client(settings.kafka, "lensnet-topics"), specs, replication_factor=replication_factor
            )
        except TopicCreationError as error:
            fail(f"{error} (broker {settings.kafka.bootstrap_servers})")
    for name in report.created:
        click.echo(f"created  {name}")
    for name in report.existing:
        click.echo(f"exists   {name}")


@topics.command(epilog=examples("stream-worker topics check --partitions 12 --replication-factor 3"))
@with_settings
@_shape
def check(
    settings: Settings,
    partitions: int,
    replication_factor: int,
    min_insync_replicas: int | None,
    retention_days: int,
) -> None:
    """Compare every topic with what `topics create` would make; exit code 1, and a list, if any differs."""
    from stream_worker.kafka.clients import admin_client
    from stream_worker.kafka.topics import topic_faults

    specs = _specs(settings, partitions, replication_factor, min_insync_replicas, retention_days)
    with broker_errors(settings):
        faults = topic_faults(
            admin_client(settings.kafka, "lensnet-topics"), specs, replication_factor=replication_factor
        )
    if faults:
        fail("the topics are not as they should be:\n" + "\n".join(f"  - {fault}" for fault in faults))
    for spec in specs:
        click.echo(f"ok  {spec.name}")
