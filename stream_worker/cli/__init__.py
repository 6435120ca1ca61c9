"""The ``stream-worker`` command."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from stream_worker.lazy_commands import LazyGroup

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2

_COMMANDS: Mapping[str, tuple[str, str]] = {
    "score": ("stream_worker.cli.stages:score", "Score candidates (stateless, GPU or CPU)."),
    "deduplicate": ("stream_worker.cli.stages:deduplicate", "Turn scores into one alert per event."),
    "ingest": ("stream_worker.cli.ingest:ingest", "Produce candidates from light-curve files or archives."),
    "replay": ("stream_worker.cli.replay:replay", "Replay archived seasons, offline or through topics."),
    "archive": ("stream_worker.cli.archive:archive", "Dump the candidates topic to files, a day each."),
    "tail": ("stream_worker.cli.tail:tail", "Subscribe to the alerts and print them."),
    "balance": ("stream_worker.cli.balance:balance", "Check that every record has exactly one outcome."),
    "retract": ("stream_worker.cli.retract:retract", "Take back a live alert."),
    "rebuild": ("stream_worker.cli.rebuild:rebuild", "Recreate the lost state of the grouping stage."),
    "quarantine": ("stream_worker.cli.quarantine:quarantine", "List, show or redrive quarantined packets."),
    "topics": ("stream_worker.cli.topics:topics", "Create the topics."),
    "sizing": ("stream_worker.cli.sizing:sizing", "What an installation needs for a survey."),
    "schema": ("stream_worker.cli.schema:schema", "Print a schema."),
    "demo": ("stream_worker.cli.demo:demo", "The whole system on this machine, in about a minute."),
    "benchmark": ("stream_worker.cli.benchmark:benchmark", "Measure decode, preprocess, inference, total."),
}


@click.group(
    cls=LazyGroup,
    found_at=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExamples:\n"
    "  stream-worker demo\n"
    "  stream-worker topics create --replication-factor 1\n"
    "  stream-worker score\n"
    "  stream-worker tail --from-beginning\n\n"
    "Settings come from --settings FILE (TOML) and LENSNET_* variables; "
    "KAFKA_BOOTSTRAP_SERVERS names the broker. Exit codes: 0 ok, 1 failed, 2 usage or settings.",
)
@click.version_option(package_name="lensnet")
def cli() -> None:
    """LensNet Stream: score microlensing candidates from Kafka and publish alerts, exactly once."""


def main() -> None:
    """Entry point of the console script."""
    from stream_worker.settings import SettingsError

    try:
        cli(prog_name="stream-worker")
    except SettingsError as error:
        click.echo(f"Error: the settings cannot be used:\n{error}", err=True)
        sys.exit(EXIT_USAGE)
