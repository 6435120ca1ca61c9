"""``stream-worker archive``: dumps of the candidates topic."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from threading import Event

import click

from stream_worker.cli import EXIT_FAILED, EXIT_OK
from stream_worker.cli.common import examples, fail, progress, with_settings
from stream_worker.settings import Settings


@click.command(
    epilog=examples(
        "stream-worker archive --out dumps",
        "stream-worker archive --out dumps --once",
        "stream-worker replay dumps --offline --out scores.parquet",
    )
)
@with_settings
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder.")
@click.option("--once", is_flag=True, help="Stop at the topic's present end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def archive(settings: Settings, out: Path, *, once: bool, as_json: bool) -> None:
    """Write every packet of the candidates topic, with its offset, to files of a day each.

    Reads committed records from where the folder's dump ends, so that it can be stopped or killed at any
    moment and started again: nothing is lost, nothing is written twice. A file has its name
    (candidates-DAY-NUMBER.avro) when it is complete. Packets stay as they were; schemas of a registry are
    kept in the files.
    """
    from stream_worker.dumping.day_files import DumpError
    from stream_worker.dumping.run import dump_candidates

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        with progress("archived") as bar:
            report = dump_candidates(settings, out, once=once, stop=stop, progress=bar.advance)
    except DumpError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror}")
    if as_json:
        click.echo(json.dumps(report.as_json()))
    else:
        for gap in report.gaps:
            click.echo(f"lost: {gap}")
        click.echo(f"{report.records} records, {len(report.files)} files completed in {out}")
    sys.exit(EXIT_FAILED if report.gaps else EXIT_OK)
