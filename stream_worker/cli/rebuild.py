"""``stream-worker rebuild``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from stream_worker.cli.common import broker_errors, examples, fail, progress, with_settings
from stream_worker.settings import Settings


@click.command(
    epilog=examples("stream-worker topics create && stream-worker rebuild", "stream-worker rebuild --json")
)
@with_settings
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def rebuild(settings: Settings, *, as_json: bool) -> None:
    """Recreate the lost state of the grouping stage from the scores, outcomes and alerts.

    Stop the deduplicate workers first. What the topics no longer keep cannot be recreated. May be repeated.

    After partitions were added to the scores and to the state alike, it moves what is known of each sky
    cell to the partition that the cell has now.
    """
    from stream_worker.rebuild import RebuildRefused
    from stream_worker.rebuild import rebuild as recreate

    with broker_errors(settings), progress("scores") as report:
        try:
            rebuilt = recreate(settings, progress=report.advance)
        except RebuildRefused as error:
            fail(str(error))
    if as_json:
        click.echo(json.dumps(asdict(rebuilt)))
    else:
        click.echo(
            f"rebuilt {rebuilt.stars} stars, {rebuilt.live} live, {rebuilt.held} held; "
            f"{rebuilt.forgotten} old ones forgotten"
        )
