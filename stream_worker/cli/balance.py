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
from stream_worker.settings import Settings


@click.command(epilog=examples("stream-worker balance", "stream-worker balance --json | jq .balanced"))
@with_settings
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def balance(settings: Settings, *, as_json: bool) -> None:
    """Compare every source record of both stages with the outcomes written for it.

    Reads the topics from their start. Exit code 1, and a list, if any record has no outcome or more than
    one, or still waits.
    """
    with broker_errors(settings):
        books = balance_stages(settings)
    balanced = all(stage.balanced for stage in books)
    if as_json:
        click.echo(json.dumps({"balanced": balanced, "stages": [stage.as_json() for stage in books]}))
    else:
        _print(output_console(), books)
    sys.exit(EXIT_OK if balanced else EXIT_FAILED)


def _print(console: Console, books: list[StageBalance]) -> None:
    for stage in books:
        console.print(balance_table(stage))
        for name in ("missing", "double", "unknown"):
            for partition, offset in sorted(getattr(stage, name)):
                console.print(f"  {name}: {stage.topic}[{partition}]@{offset}", style="red")
        if stage.waiting:
            console.print(f"  waiting: {stage.waiting} records not yet processed", style="yellow")
        console.print("  balanced" if stage.balanced else "  NOT balanced", style="bold")


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
