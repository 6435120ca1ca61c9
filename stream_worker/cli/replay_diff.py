"""``stream-worker replay diff``: what changed between two runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from stream_worker.cli import EXIT_FAILED, EXIT_OK
from stream_worker.cli.common import examples, fail, output_console, with_settings
from stream_worker.cli.replay_tools import require_replay_extra
from stream_worker.cli.skipped import skipped_records
from stream_worker.replay.parameters import FROM, TO, check_nights
from stream_worker.replay.selection import Selection
from stream_worker.settings import Settings

if TYPE_CHECKING:
    from stream_worker.candidate import Candidate
    from stream_worker.replay.diff.compare import Diff
    from stream_worker.replay.diff.view import RunView

LIVE: Final = "live"
TOPIC: Final = "topic:"


@click.command(
    short_help="Compare two runs: what differs.",
    epilog=examples(
        "stream-worker replay diff old.parquet new.parquet",
        "stream-worker replay diff old.parquet new.parquet --html diff.html --archive season/",
        "stream-worker replay diff night.parquet live --from 2021-06-01 --to 2021-06-01",
        "stream-worker replay diff topic:r-0123456789ab live --json | jq .counts",
    ),
)
@with_settings
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--tolerance", type=click.FloatRange(0), default=1e-6, show_default=True, help="Of scores.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write one self-contained page."
)
@click.option(
    "--archive",
    "archives",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Where the light curves for the page are; repeatable. [the candidates topic of A or B]",
)
@click.option("--from", "first", type=FROM, help="First night, of what topics hold.")
@click.option("--to", "last", type=TO, help="Last night, of what topics hold.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
def diff(
    settings: Settings,
    a: str,
    b: str,
    tolerance: float,
    html: Path | None,
    archives: tuple[Path, ...],
    first: float | None,
    last: float | None,
    *,
    as_json: bool,
) -> None:
    """Compare runs A and B: Parquet results of replays, ``live``, or ``topic:REPLAY_ID``.

    Candidates, scores, decisions and final groups count; the lifecycle of alerts in between depends on the
    order of arrival and is only reported. Exit code 0 if nothing differs, 1 if something does. With nights
    given, quarantined records of topics, which have no date, are not compared.
    """
    check_nights(first, last)
    if html is not None:
        require_replay_extra("matplotlib")
    from stream_worker.replay.diff.compare import compare
    from stream_worker.replay.diff.text import as_json as json_of
    from stream_worker.replay.diff.text import tables

    try:
        nights = Selection(first, last)
        views = _view(settings, a, nights), _view(settings, b, nights)
        if nights != Selection():
            for one, other in (views, views[::-1]):
                one.forget_undated(other.candidates)
        found = compare(*views, tolerance=tolerance)
        if html is not None:
            _write_page(settings, html, found, archives, (a, b))
    except (ValueError, OSError) as error:
        fail(str(error))
    if as_json:
        click.echo(json.dumps(json_of(found)))
    else:
        console = output_console()
        for table in tables(found):
            console.print(table)
        console.print("no difference" if found.empty else "the runs differ", style="bold")
    sys.exit(EXIT_OK if found.empty else EXIT_FAILED)


def _view(settings: Settings, run: str, nights: Selection) -> RunView:
    topics = _topics_of(settings, run)
    if topics is None:
        require_replay_extra("pyarrow")
        from stream_worker.replay.diff.parquet import view_of_result

        return view_of_result(Path(run))
    from stream_worker.replay.diff.topics import view_of_topics

    replay_id = run.removeprefix(TOPIC) if run.startswith(TOPIC) else None
    with skipped_records() as tell:
        return view_of_topics(topics, run, replay_id, nights, tell)


def _topics_of(settings: Settings, run: str) -> Settings | None:
    """Settings whose topics hold the run; None for a file."""
    if run == LIVE:
        return settings
    if run.startswith(TOPIC):
        from stream_worker.replay.names import replay_settings

        return replay_settings(settings, run.removeprefix(TOPIC))
    return None


def _write_page(
    settings: Settings, path: Path, found: Diff, archives: tuple[Path, ...], runs: tuple[str, str]
) -> None:
    from stream_worker.replay.diff.page import most_changed, write_diff_page

    wanted = {pair.a.candidate_id for pair in most_changed(found)}
    write_diff_page(path, found, _curves(settings, wanted, archives, runs))


def _curves(
    settings: Settings, wanted: set[str], archives: tuple[Path, ...], runs: tuple[str, str]
) -> Mapping[str, Candidate]:
    from stream_worker.replay.diff.curves import from_archives, from_topic

    if archives:
        return from_archives(
            archives, wanted, lambda fault: click.echo(f"no light curves of {fault}", err=True)
        )
    for run in runs:
        topics = _topics_of(settings, run)
        if topics is not None and wanted:
            return from_topic(topics, wanted)
    return {}
