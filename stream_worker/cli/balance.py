"""``stream-worker balance``."""

from __future__ import annotations

import json
import sys

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stream_worker.balance import StageBalance, balance_stages
from stream_worker.cli import EXIT_FAILED, EXIT_OK
from stream_worker.cli.common import broker_errors, examples, output_console, with_settings
from stream_worker.cli.skipped import skipped_records
from stream_worker.settings import Settings


@click.command(
    epilog=examples("stream-worker balance --settled", "stream-worker balance --json | jq .balanced")
)
@with_settings
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.option("--settled", is_flag=True, help="Records that still wait are a failure too.")
def balance(settings: Settings, *, as_json: bool, settled: bool) -> None:
    """Compare every source record of both stages with the outcomes written for it.

    Reads the topics from their start. Exit code 1, and a list, if any processed record has no outcome or
    more than one, or an outcome has no record. Records that still wait are reported.
    """
    with broker_errors(settings), skipped_records() as tell:
        books = balance_stages(settings, on_skipped=tell)
    balanced = all(stage.balanced for stage in books)
    clean = all(stage.clean for stage in books)
    if as_json:
        summary = {"balanced": balanced, "clean": clean, "stages": [stage.as_json() for stage in books]}
        click.echo(json.dumps(summary))
    else:
        _print(output_console(), books)
    sys.exit(EXIT_OK if (balanced if settled else clean) else EXIT_FAILED)


def _print(console: Console, books: list[StageBalance]) -> None:
    for stage in books:
        console.print(balance_table(stage))
        for name in ("missing", "double", "unknown"):
            for partition, offset in sorted(getattr(stage, name)):
                console.print(f"  {name}: {stage.topic}[{partition}]@{offset}", style="red")
        if stage.waiting:
            console.print(f"  waiting: {stage.waiting} records not yet processed", style="yellow")
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
