"""``stream-worker tail``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stream_worker.cli.common import broker_errors, examples, output_console, with_settings
from stream_worker.cli.skipped import skipped_records
from stream_worker.kafka.reading import OnSkipped, decoded, source_record, watermarks
from stream_worker.preprocessing import SITES
from stream_worker.settings import Settings

ALERT_COLUMNS = (
    "type",
    "star",
    "RA",
    "Dec",
    "p_review",
    "yes/maybe/no",
    "I now",
    "t_cut",
    "data age",
    "/".join(SITES),
)
_WIDTHS = (10, 19, 11, 12, 8, 14, 5, 9, 13, 13)
_HEADING_EVERY = 40


@click.command(
    epilog=examples(
        "stream-worker tail",
        "stream-worker tail --from-beginning --json | jq .star_id",
        "stream-worker tail --from-beginning --max 20 --idle-exit 5",
    )
)
@with_settings
@click.option("--from-beginning", is_flag=True, help="Start with the oldest alert, not with the next one.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a table.")
@click.option("--max", "limit", type=click.IntRange(1), help="Stop after this many alerts.")
@click.option("--idle-exit", type=click.FloatRange(0, min_open=True), help="Stop after so many idle seconds.")
def tail(
    settings: Settings, *, from_beginning: bool, as_json: bool, limit: int | None, idle_exit: float | None
) -> None:
    """Subscribe to the scored topic and print its alerts as they come."""
    from stream_worker.kafka.clients import plain_consumer
    from stream_worker.plans import record_decoder

    decode = record_decoder(settings, "alert")
    console = output_console()
    rows = 0
    if not as_json:
        _print_cells(console, ALERT_COLUMNS)
    with broker_errors(settings), skipped_records() as tell:
        consumer = plain_consumer(settings.kafka, "lensnet-tail")
        alerts = _alerts(consumer, settings.topics.scored, decode, tell, from_beginning=from_beginning)
        try:
            for alert in _bounded(alerts, limit, idle_exit):
                if as_json:
                    click.echo(json.dumps(alert))
                    continue
                if console.is_terminal and rows and rows % _HEADING_EVERY == 0:
                    _print_cells(console, ALERT_COLUMNS)
                _print_cells(console, alert_cells(alert))
                rows += 1
        except KeyboardInterrupt:
            pass
        finally:
            consumer.close()


def alert_table(alerts: list[dict[str, Any]], title: str) -> Table:
    """Alerts as a table, one row each."""
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    for column in ALERT_COLUMNS:
        table.add_column(column, no_wrap=True)
    for alert in alerts:
        table.add_row(*alert_cells(alert))
    return table


def alert_cells(alert: dict[str, Any]) -> tuple[str, ...]:
    """Return one alert as the cells of `ALERT_COLUMNS`."""
    classes = alert["class_probabilities"]
    magnitude = alert["current_mag"]
    age = alert["data_age_days"]
    used = {site["site"]: site["n_used"] for site in alert["sites"]}
    return (
        alert["alert_type"],
        alert["star_id"],
        alert["ra_sexagesimal"],
        alert["dec_sexagesimal"],
        f"{alert['p_review']:.3f}",
        f"{classes['yes']:.2f}/{classes['maybe']:.2f}/{classes['no']:.2f}",
        "-" if magnitude is None else f"{magnitude:.2f}",
        f"{alert['alertfinder']['t_cut']:.3f}",
        f"{age:.1f} d{' stale' if alert['stale'] else ''}",
        "/".join(str(used.get(site, 0)) for site in SITES),
    )


def _alerts(
    consumer: Consumer,
    topic: str,
    decode: Callable[[bytes], dict[str, Any]],
    on_skipped: OnSkipped,
    *,
    from_beginning: bool,
) -> Iterator[dict[str, Any] | None]:
    """Alerts as they come, None whenever 0.2 s passed without a record; undecodable ones are skipped."""
    marks = watermarks(consumer, topic)
    consumer.assign(
        [TopicPartition(topic, n, low if from_beginning else high) for n, (low, high) in marks.items()]
    )
    while True:
        message = consumer.poll(0.2)
        if message is None:
            yield None
            continue
        error = message.error()
        if error is None:
            for _, alert in decoded([source_record(message)], decode, on_skipped):
                yield alert
        elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - local codes start so
            raise KafkaException(error)


def _bounded(
    alerts: Iterator[dict[str, Any] | None], limit: int | None, idle_exit: float | None
) -> Iterator[dict[str, Any]]:
    seen, last = 0, time.monotonic()
    for alert in alerts:
        if alert is not None:
            yield alert
            seen, last = seen + 1, time.monotonic()
        if seen == limit or (idle_exit is not None and time.monotonic() - last > idle_exit):
            return


def _print_cells(console: Console, cells: tuple[str, ...]) -> None:
    padded = (cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
    console.print("  ".join(padded).rstrip(), highlight=False, markup=False, soft_wrap=True)
