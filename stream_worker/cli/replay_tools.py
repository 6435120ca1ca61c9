"""Commands beside ``stream-worker replay``: convert archives, remove what a replay left on a broker."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from stream_worker.cli import EXIT_USAGE
from stream_worker.cli.common import examples, fail, progress, with_settings
from stream_worker.extras import install_hint
from stream_worker.settings import Settings

if TYPE_CHECKING:
    from stream_worker.archives.parquet_layout import Layout

_ARCHIVE = click.Path(path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
SUFFIXES = (".parquet", ".avro")


def require_replay_extra(*libraries: str) -> None:
    """Exit with 2 where one of these libraries of the extra is not installed."""
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        usage(f"{' and '.join(missing)} not installed; {install_hint('cpu,replay')}")


def usage(message: str) -> NoReturn:
    """Print an error and exit with 2."""
    click.echo(f"Error: {message}", err=True)
    sys.exit(EXIT_USAGE)


@click.command(
    short_help="Delete the topics and groups of a replay.",
    epilog=examples("stream-worker replay remove r-0123456789ab"),
)
@with_settings
@click.argument("replay_id")
def remove(settings: Settings, replay_id: str) -> None:
    """Delete the topics and consumer groups of the replay REPLAY_ID; live ones have other names."""
    from stream_worker.replay.removal import remove_replay

    removed = remove_replay(settings, replay_id)
    for name in removed:
        click.echo(f"removed  {name}")
    if not removed:
        fail(f"replay {replay_id} has no topics on {settings.kafka.bootstrap_servers}")


@click.command(
    short_help="Write archives as one Parquet or Avro file.",
    epilog=examples(
        "stream-worker replay convert season/ --out season.parquet",
        "stream-worker replay convert season/run-*.avro --out rows.parquet --layout long",
    ),
)
@click.argument("archives", nargs=-1, required=True, type=_ARCHIVE, metavar="ARCHIVE...")
@click.option("--out", type=_FILE, required=True, help="Parquet file, or .avro for a container.")
@click.option("--layout", type=click.Choice(["nested", "long"]), default="nested", show_default=True)
@click.option("--events", type=_FILE, help="Event list of a folder of pySIS files.")
def convert(archives: tuple[Path, ...], out: Path, layout: Layout, events: Path | None) -> None:
    """Write the candidates of ARCHIVEs as one Parquet file, or as an Avro container.

    Nested has a row per candidate, long a row per observation. What can't be read ends it, and no file is
    written.
    """
    if out.suffix not in SUFFIXES:
        usage(f"--out {out}: expected a name that ends in {' or '.join(SUFFIXES)}")
    require_replay_extra("pyarrow")
    from stream_worker.archives.convert import convert_archives
    from stream_worker.archives.reading import ArchiveFault

    try:
        with progress("converting") as bar:
            written = convert_archives(archives, out, layout, events, bar.advance)
    except ArchiveFault as fault:
        fail(str(fault))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror}")
    click.echo(f"{out}: {written} candidates")
