"""``stream-worker quarantine``."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import click
from confluent_kafka import KafkaError, KafkaException, Producer
from rich.table import Table

from stream_worker.cli.common import broker_errors, examples, fail, output_console, with_settings
from stream_worker.cli.skipped import skipped_records
from stream_worker.kafka.transaction import HeaderList
from stream_worker.settings import Settings

_ACKNOWLEDGE_S = 60.0  # librdkafka gives a topic 30 s to appear


@click.group(
    epilog=examples(
        "stream-worker quarantine list",
        "stream-worker quarantine show lensnet.candidates/3/1042 --raw packet.bin",
        "stream-worker quarantine redrive lensnet.candidates/3/1042",
    )
)
def quarantine() -> None:
    """Look at the packets that could not be processed, and send them again."""


@quarantine.command(
    "list", epilog=examples("stream-worker quarantine list", "stream-worker quarantine list --json")
)
@with_settings
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a table.")
def list_(settings: Settings, *, as_json: bool) -> None:
    """List quarantined records: where they were, and why."""
    table = Table("source", "stage", "reason", "bytes", "message")
    with broker_errors(settings), closing(_entries(settings)) as entries:
        for entry in entries:
            if as_json:
                click.echo(json.dumps({"source": _source(entry), **_without_raw(entry)}))
            else:
                length = str(entry["raw_length"])
                table.add_row(_source(entry), entry["stage"], entry["reason"], length, entry["message"])
    if not as_json:
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
        entry = _find(settings, [source])[source]
    click.echo(json.dumps({"source": source, **_without_raw(entry)}, indent=2))
    if raw is not None:
        raw.write_bytes(entry["raw"])
        click.echo(f"{len(entry['raw'])} of {entry['raw_length']} bytes written to {raw}", err=True)


@quarantine.command(epilog=examples("stream-worker quarantine redrive lensnet.candidates/3/1042"))
@with_settings
@click.argument("sources", nargs=-1, required=True)
def redrive(settings: Settings, sources: tuple[str, ...]) -> None:
    """Send quarantined packets to their source topic again, linked to the original."""
    with broker_errors(settings):
        entries = list(_find(settings, sources).values())
        incomplete = [_source(entry) for entry in entries if not entry["raw_complete"]]
        if incomplete:
            fail(f"only a prefix was kept of {', '.join(incomplete)}: take them from the source topic")
        failures = _send_again(settings, entries)
    if failures:
        reasons = "; ".join(f"{source}: {reason}" for source, reason in failures.items())
        fail(f"{len(failures)} of {len(entries)} packets not sent again: {reasons}")
    click.echo(f"{len(entries)} packets sent again")


def _send_again(settings: Settings, entries: list[dict[str, Any]]) -> dict[str, str]:
    """Produce the packets and wait for the broker; by source, why each that failed did."""
    from stream_worker.kafka.clients import idempotent_producer
    from stream_worker.outcome import redriven_header

    producer = idempotent_producer(settings.kafka, "lensnet-redrive")
    failures = {_source(entry): f"not acknowledged within {_ACKNOWLEDGE_S:g} s" for entry in entries}

    def acknowledge(source: str, error: KafkaError | None) -> None:
        if error is None:
            del failures[source]
        else:
            failures[source] = f"{error.name()}: {error.str()}"

    for entry in entries:
        source = _source(entry)
        headers = [(h["name"], h["value"]) for h in entry["headers"]]
        headers.append(redriven_header(entry["topic"], entry["partition"], entry["offset"]))
        on_delivery = partial(lambda source, error, _message: acknowledge(source, error), source)
        try:
            _queue(producer, entry, headers, on_delivery)
        except KafkaException as error:
            acknowledge(source, error.args[0])
    producer.flush(_ACKNOWLEDGE_S)
    return failures


def _queue(
    producer: Producer, entry: dict[str, Any], headers: HeaderList, on_delivery: Callable[..., None]
) -> None:
    """Queue one packet; waits while the local queue is full."""
    while True:
        try:
            producer.produce(
                entry["topic"], entry["raw"], entry["key"], headers=headers, on_delivery=on_delivery
            )
        except BufferError:  # delivery time-outs bound how long it stays so
            producer.poll(0.2)
        else:
            producer.poll(0)
            return


def _entries(settings: Settings) -> Generator[dict[str, Any]]:
    """Quarantine records as they are read: each may hold megabytes of raw bytes."""
    from stream_worker.kafka.clients import plain_consumer
    from stream_worker.kafka.reading import decoded, read_all
    from stream_worker.plans import record_decoder

    decode = record_decoder(settings, "quarantine")
    consumer = plain_consumer(settings.kafka, "lensnet-quarantine")
    try:
        with skipped_records() as tell:
            for _, entry in decoded(read_all(consumer, settings.topics.quarantine), decode, tell):
                yield entry
    finally:
        consumer.close()


def _find(settings: Settings, sources: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Entries by source, in one pass over the topic."""
    unknown, found = dict.fromkeys(sources), {}
    with closing(_entries(settings)) as entries:
        for entry in entries:
            source = _source(entry)
            if source in unknown:
                del unknown[source]
                found[source] = entry
            if not unknown:
                return found
    return fail(
        f"not in {settings.topics.quarantine}: {', '.join(unknown)};"
        " expected topic/partition/offset as in the list"
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
