"""Notices of records that a command could not decode and left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from stream_worker.codec.errors import BadPacket
from stream_worker.kafka.reading import OnSkipped
from stream_worker.kafka.records import SourceRecord


@contextmanager
def skipped_records() -> Iterator[OnSkipped]:
    """Tell of every skipped record on standard error, and at the end how many they were."""
    skipped = 0

    def tell(record: SourceRecord, error: BadPacket) -> None:
        nonlocal skipped
        skipped += 1
        click.echo(f"skipped {record.topic}[{record.partition}]@{record.offset}: {error}", err=True)

    try:
        yield tell
    finally:
        if skipped:
            click.echo(f"{skipped} records could not be decoded and were skipped", err=True)
