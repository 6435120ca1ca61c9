"""``stream-worker tail``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stream_worker.candidate import Tense
from stream_worker.cli.common import broker_errors, examples, output_console, with_settings
from stream_worker.cli.skipped import skipped_records
from stream_worker.preprocessing import SITES
from stream_worker.settings import Settings

if TYPE_CHECKING:
    from stream_worker.subscriber import Alert, Start

ALERT_COLUMNS = (
    "type",
    "star",
    "RA",
    "Dec",
    "p_review",
    "p_event",
    "yes/maybe/no",
    "I now",
    "t_cut",
    "data age",
    "/".join(SITES),
)
_WIDTHS = (19, 19, 11, 12, 8, 7, 14, 5, 9, 13, 13)
_HEADING_EVERY = 40


@click.command(
    epilog=examples(
        "stream-worker tail",
        "stream-worker tail --from-beginning --json | jq .star_id",
        "stream-worker tail --since 2026-05-10T00:00 --live --idle-exit 5",
        "stream-worker tail --min-p-event 0.5",
        "stream-worker tail --from-beginning --max 20 --idle-exit 5",
    )
)
@with_settings
@click.option("--from-beginning", is_flag=True, help="Start with the oldest alert, not with the next one.")
@click.option("--since", help="Start at a time (ISO 8601, UTC) or an offset.")
@click.option(
    "--min-p-event",
    type=click.FloatRange(0, 1),
    help="Only groups once this probable; then their updates and retractions, too.",
)
@click.option("--live", is_flag=True, help="At the end, print the groups that are live then, not each alert.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a table.")
@click.option("--max", "limit", type=click.IntRange(1), help="Stop after this many alerts.")
@click.option("--idle-exit", type=click.FloatRange(0, min_open=True), help="Stop after so many idle seconds.")
def tail(
    settings: Settings,
    *,
    from_beginning: bool,
    since: str | None,
    min_p_event: float | None,
    live: bool,
    as_json: bool,
    limit: int | None,
    idle_exit: float | None,
) -> None:
    """Subscribe to the scored topic and print its alerts as they come.

    TEST or ARCHIVAL stands beside the type of an alert that is not live.
    """
    from stream_worker.subscriber import LiveView, alerts

    start = _start(since, from_beginning=from_beginning)
    show, view = _Printer(as_json=as_json), LiveView()
    with broker_errors(settings), skipped_records() as tell:
        stream = alerts(settings, since=start, on_skipped=tell)
        with suppress(KeyboardInterrupt):
            for alert in islice(probable(_until_idle(stream, idle_exit), min_p_event), limit):
                view.apply(alert)
                if not live:
                    show(alert)
        if live:
            for alert in view.groups.values():
                show(alert)


def probable(stream: Iterable[Alert], least: float | None) -> Iterator[Alert]:
    """Leave out groups that were never so probable; without calibration there is no ``p_event`` at all."""
    told: set[str] = set()
    for alert in stream:
        p_event = alert["p_event"]
        if least is None or (p_event is not None and p_event >= least):
            told.add(alert["group_id"])
        if alert["group_id"] in told:
            yield alert


def _start(since: str | None, *, from_beginning: bool) -> Start:
    from stream_worker.subscriber import BEGINNING, NOW, parse_start

    if from_beginning and since is not None:
        raise click.UsageError("--from-beginning and --since exclude each other")
    try:
        return parse_start(since or (BEGINNING if from_beginning else NOW))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None


class _Printer:
    """Prints alerts as JSON lines, or as rows under a heading that a terminal shows again."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = output_console()
        self._rows = 0
        if not as_json:
            _print_cells(self._console, ALERT_COLUMNS)

    def __call__(self, alert: Alert) -> None:
        if self._as_json:
            click.echo(json.dumps(alert))
            return
        if self._console.is_terminal and self._rows and self._rows % _HEADING_EVERY == 0:
            _print_cells(self._console, ALERT_COLUMNS)
        _print_cells(self._console, alert_cells(alert))
        self._rows += 1


def alert_table(alerts: Sequence[Alert], title: str) -> Table:
    """Alerts as a table, one row each."""
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    for column in ALERT_COLUMNS:
        table.add_column(column, no_wrap=True)
    for alert in alerts:
        table.add_row(*alert_cells(alert))
    return table


def alert_cells(alert: Alert) -> tuple[str, ...]:
    """Return one alert as the cells of `ALERT_COLUMNS`."""
    classes = alert["class_probabilities"]
    magnitude = alert["current_mag"]
    age, p_event, tense = alert["data_age_days"], alert["p_event"], alert["tense"]
    used = {site["site"]: site["n_used"] for site in alert["sites"]}
    return (
        alert["alert_type"] + ("" if tense == Tense.CURRENT else f" {tense}"),
        alert["star_id"],
        alert["ra_sexagesimal"],
        alert["dec_sexagesimal"],
        f"{alert['p_review']:.3f}",
        "-" if p_event is None else f"{p_event:.3f}",
        f"{classes['yes']:.2f}/{classes['maybe']:.2f}/{classes['no']:.2f}",
        "-" if magnitude is None else f"{magnitude:.2f}",
        f"{alert['alertfinder']['t_cut']:.3f}",
        f"{age:.1f} d{' stale' if alert['stale'] else ''}",
        "/".join(str(used.get(site, 0)) for site in SITES),
    )


def _until_idle(alerts: Iterator[Alert | None], idle_exit: float | None) -> Iterator[Alert]:
    last = float("inf")
    for alert in alerts:
        if alert is not None:
            yield alert
        if alert is not None or last == float("inf"):  # connecting is not idleness
            last = time.monotonic()
        if idle_exit is not None and time.monotonic() - last > idle_exit:
            return


def _print_cells(console: Console, cells: tuple[str, ...]) -> None:
    padded = (cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
    console.print("  ".join(padded).rstrip(), highlight=False, markup=False, soft_wrap=True)
