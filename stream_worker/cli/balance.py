"""``stream-worker balance``."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stream_worker.balance import StageBalance, Window, balance_stages
from stream_worker.cli import EXIT_FAILED, EXIT_OK
from stream_worker.cli.common import broker_errors, examples, output_console, with_settings
from stream_worker.cli.skipped import skipped_records
from stream_worker.settings import Settings


@click.command(
    epilog=examples(
        "stream-worker balance --settled",
        "stream-worker balance --json | jq .balanced",
        "stream-worker balance --since 2026-05-10T00:00 --until 2026-05-11T00:00 --records",
        "stream-worker balance --since 1200 --until 1300",
    )
)
@with_settings
@click.option("--since", help="Only source records from this time (ISO 8601, UTC) or offset on.")
@click.option("--until", help="Only source records before this time or offset.")
@click.option("--records", is_flag=True, help="List every record with outcome, reason and group.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.option("--settled", is_flag=True, help="Records that still wait are a failure too.")
def balance(
    settings: Settings, *, since: str | None, until: str | None, records: bool, as_json: bool, settled: bool
) -> None:
    """Compare every source record of both stages with the outcomes written for it.

    Reads the topics from their start. Exit code 1, and a list, if any processed record has no outcome or
    more than one, an outcome has no record, or a topic dropped records before they were read (told until
    its stage has gone on behind them). Records that still wait, or that the grouping stage holds
    back for stronger neighbours, are reported.
    """
    window = _window(since, until)
    with broker_errors(settings), skipped_records() as tell:
        books = balance_stages(settings, window=window, on_skipped=tell)
    balanced = all(stage.balanced for stage in books)
    clean = all(stage.clean for stage in books)
    if as_json:
        stages = [_as_json(stage, records=records) for stage in books]
        summary = {"balanced": balanced, "clean": clean, "stages": stages}
        click.echo(json.dumps(summary))
    else:
        _print(output_console(), books, records=records)
    sys.exit(EXIT_OK if (balanced if settled else clean) else EXIT_FAILED)


def _window(since: str | None, until: str | None) -> Window:
    """Return what lies between two times or two offsets; raises click.UsageError where nothing can."""
    (since_ms, since_offset), (until_ms, until_offset) = _bound("--since", since), _bound("--until", until)
    for low, high in ((since_ms, until_ms), (since_offset, until_offset)):
        if low is not None and high is not None and low >= high:
            raise click.UsageError("--since must be before --until")
    return Window(since_ms, until_ms, since_offset, until_offset)


def _bound(option: str, text: str | None) -> tuple[int | None, int | None]:
    """Milliseconds or offset of a bound."""
    if text is None:
        return None, None
    if text.isdecimal():
        return None, int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither an offset nor a time like 2026-05-10T00:00", param_hint=option
        ) from None
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000), None


def _as_json(stage: StageBalance, *, records: bool) -> dict[str, Any]:
    summary = stage.as_json()
    if records:
        summary["records"] = [{**entry._asdict(), "position": [*entry.position]} for entry in stage.entries]
    return summary


def _print(console: Console, books: list[StageBalance], *, records: bool) -> None:
    for stage in books:
        console.print(balance_table(stage))
        for entry in sorted(stage.entries, key=lambda entry: entry.position) if records else ():
            partition, offset = entry.position
            parts = (entry.outcome.lower(), entry.reason, entry.group_id, entry.candidate_id)
            text = f"  {stage.topic}[{partition}]@{offset}  {'  '.join(filter(None, parts))}"
            console.print(text, markup=False, soft_wrap=True)
        for partition, first, last in sorted(stage.lost):
            text = f"  lost: {stage.topic}[{partition}]@{first} to {last}: dropped before they were read"
            console.print(text, style="red")
        for name in ("missing", "double", "unknown"):
            for partition, offset in sorted(getattr(stage, name)):
                console.print(f"  {name}: {stage.topic}[{partition}]@{offset}", style="red")
        if stage.waiting:
            console.print(f"  waiting: {stage.waiting} records not yet processed", style="yellow")
        if stage.held:
            console.print(f"  held: {stage.held} records wait for stronger neighbours", style="yellow")
        if stage.expired:
            console.print(f"  expired: {stage.expired} outcomes of records that the topic no longer keeps")
        if stage.complete_since is not None:
            console.print(f"  outcomes complete since {stage.complete_since_text}; older records not judged")
        console.print(f"  {_verdict(stage)}", style="bold")


def _verdict(stage: StageBalance) -> str:
    if stage.balanced:
        return "balanced"
    return "balanced so far" if stage.clean else "NOT balanced"


def balance_table(stage: StageBalance) -> Table:
    """Outcomes of one stage as a table."""
    table = Table(title=f"{stage.stage}: {stage.source_records} records", box=SIMPLE_HEAD)
    table.add_column("outcome")
    table.add_column("records", justify="right")
    for outcome, number in sorted(stage.outcomes.items()):
        table.add_row(outcome.lower(), str(number))
    for reason, number in sorted(stage.reasons.items()):
        table.add_row(f"  {reason}", str(number), style="dim")
    return table
