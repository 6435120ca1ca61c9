"""``stream-worker quarantine``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from stream_worker.cli.common import broker_errors, examples, fail, output_console, with_settings
from stream_worker.settings import Settings


@click.group()
def quarantine() -> None:
    """Look at the packets that could not be processed, and send them again."""


@quarantine.command(
    "list", epilog=examples("stream-worker quarantine list", "stream-worker quarantine list --json")
)
@with_settings
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a table.")
def list_(settings: Settings, *, as_json: bool) -> None:
    """List quarantined records: where they were, and why."""
    with broker_errors(settings):
        entries = list(_entries(settings))
    if as_json:
        for entry in entries:
            click.echo(json.dumps(_without_raw(entry)))
        return
    table = Table("source", "stage", "reason", "bytes", "message")
    for entry in entries:
        table.add_row(
            _source(entry), entry["stage"], entry["reason"], str(entry["raw_length"]), entry["message"]
        )
    output_console().print(table)


@quarantine.command(
    epilog=examples("stream-worker quarantine show lensnet.candidates/3/1042 --raw packet.bin")
)
@with_settings
@click.argument("source")
@click.option("--raw", type=click.Path(path_type=Path, dir_okay=False), help="Write the raw bytes here.")
def show(settings: Settings, source: str, raw: Path | None) -> None:
    """Show one quarantined record; SOURCE is topic/partition/offset as listed."""
    with broker_errors(settings):
        entry = _find(settings, source)
    click.echo(json.dumps(_without_raw(entry), indent=2))
    if raw is not None:
        raw.write_bytes(entry["raw"])
        click.echo(f"{len(entry['raw'])} of {entry['raw_length']} bytes written to {raw}", err=True)


@quarantine.command(epilog=examples("stream-worker quarantine redrive lensnet.candidates/3/1042"))
@with_settings
@click.argument("sources", nargs=-1, required=True)
def redrive(settings: Settings, sources: tuple[str, ...]) -> None:
    """Send quarantined packets to their source topic again, linked to the original."""
    from stream_worker.kafka.clients import idempotent_producer
    from stream_worker.outcome import redriven_header

    with broker_errors(settings):
        entries = [_find(settings, source) for source in sources]
        incomplete = [_source(entry) for entry in entries if not entry["raw_complete"]]
        if incomplete:
            fail(f"only a prefix was kept of {', '.join(incomplete)}: take them from the source topic")
        producer = idempotent_producer(settings.kafka, "lensnet-redrive")
        for entry in entries:
            headers = [(h["name"], h["value"]) for h in entry["headers"]]
            origin = redriven_header(entry["topic"], entry["partition"], entry["offset"])
            producer.produce(entry["topic"], entry["raw"], entry["key"], headers=[*headers, origin])
        unsent = producer.flush(30)
    if unsent:
        fail(f"{unsent} of {len(entries)} packets were not acknowledged within 30 s")
    click.echo(f"{len(entries)} packets sent again")
    sys.exit(0)


def _entries(settings: Settings) -> Iterator[dict[str, Any]]:
    from stream_worker.balance import read_all
    from stream_worker.kafka.clients import plain_consumer
    from stream_worker.plans import record_decoder

    decode = record_decoder(settings, "quarantine")
    consumer = plain_consumer(settings.kafka, "lensnet-quarantine")
    for record in read_all(consumer, settings.topics.quarantine):
        yield decode(record.value)
    consumer.close()


def _find(settings: Settings, source: str) -> dict[str, Any]:
    found = next((entry for entry in _entries(settings) if _source(entry) == source), None)
    return found or fail(
        f"{source} is not in {settings.topics.quarantine}: expected topic/partition/offset as in the list"
    )


def _source(entry: dict[str, Any]) -> str:
    return f"{entry['topic']}/{entry['partition']}/{entry['offset']}"


def _without_raw(entry: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in entry.items() if name not in {"raw", "key", "headers"}}
    shown["key"] = entry["key"].decode("utf-8", "replace") if entry["key"] is not None else None
    shown["headers"] = {
        h["name"]: h["value"].decode("utf-8", "replace") if h["value"] is not None else None
        for h in entry["headers"]
    }
    return shown
