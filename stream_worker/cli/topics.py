"""``stream-worker topics``."""

from __future__ import annotations

import click

from stream_worker.cli.common import broker_errors, examples, fail, with_settings
from stream_worker.settings import Settings


@click.group(epilog=examples("stream-worker topics create --partitions 12 --replication-factor 3"))
def topics() -> None:
    """Manage the topics."""


@topics.command(epilog=examples("stream-worker topics create --partitions 12 --replication-factor 3"))
@with_settings
@click.option("--partitions", type=click.IntRange(1), default=12, show_default=True)
@click.option("--replication-factor", type=click.IntRange(1), default=3, show_default=True)
@click.option("--retention-days", type=click.IntRange(1), default=30, show_default=True)
def create(settings: Settings, partitions: int, replication_factor: int, retention_days: int) -> None:
    """Create every topic that is missing; existing ones are left as they are."""
    from stream_worker.kafka.clients import admin_client
    from stream_worker.kafka.topics import TopicCreationError, create_topics, topic_specs

    with broker_errors(settings):
        try:
            report = create_topics(
                admin_client(settings.kafka, "lensnet-topics"),
                topic_specs(settings, partitions, retention_days),
                replication_factor=replication_factor,
            )
        except TopicCreationError as error:
            fail(str(error))
    for name in report.created:
        click.echo(f"created  {name}")
    for name in report.existing:
        click.echo(f"exists   {name}")
