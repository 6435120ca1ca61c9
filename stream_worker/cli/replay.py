"""``stream-worker replay``: archived seasons, reprocessed without looking ahead."""

from __future__ import annotations

import gc
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from stream_worker.cli import EXIT_OK
from stream_worker.cli.common import Progress, examples, fail, progress, with_settings
from stream_worker.cli.replay_diff import diff
from stream_worker.cli.replay_tools import convert, remove, require_replay_extra, usage
from stream_worker.replay.parameters import FROM, SPEED, TO, check_nights
from stream_worker.settings import Settings

if TYPE_CHECKING:
    from stream_worker.archives import Opened
    from stream_worker.replay.offline import ReplayReport
    from stream_worker.replay.plan import ReplayPlan
    from stream_worker.replay.selection import Selection
    from stream_worker.replay.topic import Through

_ARCHIVE = click.Path(path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_INTERRUPTED = 130
_BESIDE: Final = (diff, convert, remove)


class _ReplayGroup(click.Group):
    """``replay ARCHIVE…`` is what people type; ``diff`` and ``convert`` are commands beside it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or self.commands["run"]


class _Run(click.Command):
    """The replay itself: called by its group's name, its help names the commands beside it."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if parent is not None:
            info_name, parent = parent.info_name, parent.parent
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Also"):
            formatter.write_dl([(f"replay {other.name}", other.get_short_help_str()) for other in _BESIDE])
        super().format_options(ctx, formatter)


@click.group(cls=_ReplayGroup)
def replay() -> None:
    """Replay archived seasons, offline or through topics; compare replays."""


@replay.command(
    cls=_Run,
    epilog=examples(
        "stream-worker replay season/ --offline --out scores.parquet",
        "stream-worker replay season/ --offline --out june.parquet --from 2021-06-01 --to 2021-06-30",
        "stream-worker replay season/ --offline --out new.parquet --bundle my-bundle",
        "stream-worker replay kmtnet/ --events events.csv --offline --out events.parquet",
        "stream-worker replay season/ --offline --out scores.parquet --resume",
        "stream-worker replay season/run-2021-06-01.avro --to-topic",
        "stream-worker replay diff old.parquet new.parquet --html diff.html",
        "stream-worker replay diff --help",
        "stream-worker replay convert season/ --out season.parquet --layout nested",
    ),
)
@with_settings
@click.argument("archives", nargs=-1, required=True, type=_ARCHIVE, metavar="ARCHIVE...")
@click.option("--offline", is_flag=True, help="No broker: all cores, the result in --out.")
@click.option("--out", type=_FILE, help="Parquet file of an offline replay.")
@click.option("--to-topic", is_flag=True, help="Through topics and stages of its own.")
@click.option("--from", "first", type=FROM, help="First night or t_cut.")
@click.option("--to", "last", type=TO, help="Last night or t_cut.")
@click.option("--as-of", type=TO, help="As it was known then: nothing produced or observed later exists.")
@click.option("--bundle", type=_ARCHIVE, help="Another model bundle; bundle_sha256 is not its hash.")
@click.option("--events", type=_FILE, help="Event list (CSV: event, ra, dec) of a folder of pySIS files.")
@click.option("--replay-id", help="Name of the replay. [derived from archives, selection, model and rules]")
@click.option("--resume", is_flag=True, help="Go on with an interrupted replay.")
@click.option(
    "--on-fault",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do about parts that can't be read.",
)
@click.option("--workers", type=click.IntRange(1), help="Processes of an offline replay. [one per core]")
@click.option(
    "--speed", type=SPEED, default="max", show_default=True, help="Pace of a replay through topics."
)
@click.option("--scorers", type=click.IntRange(0), help="Scoring processes; 0 starts no stages. [by cores]")
@click.option("--partitions", type=click.IntRange(1), default=6, show_default=True, help="Of new topics.")
@click.option(
    "--replication-factor", type=int, default=-1, show_default=True, help="Of new topics; -1 is the broker's."
)
@click.option(
    "--force-live-topics", is_flag=True, help="Send to the LIVE candidates topic, as archival packets."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def run(
    settings: Settings,
    archives: tuple[Path, ...],
    first: float | None,
    last: float | None,
    as_of: float | None,
    bundle: Path | None,
    events: Path | None,
    **options: Any,
) -> None:
    """Replay ARCHIVEs: candidates see only what was observed up to their own t_cut.

    An ARCHIVE is an Avro container of candidates, a season's folder, a Parquet file (nested or long), a dump
    of the candidates topic, alert packets of ZTF or LSST, a folder of any of these, or a folder of KMTNet
    pySIS files with --events.

    Offline, two runs of the same replay give the same file, whatever the number of workers and however often
    they were interrupted. The file's metadata pins archives, schema, model, preprocessing and rules.
    """
    from stream_worker.archives import open_archives
    from stream_worker.archives.pysis_events import read_event_list
    from stream_worker.archives.reading import ArchiveFault
    from stream_worker.named_bundle import with_bundle
    from stream_worker.replay.selection import Selection

    _check_usage(archives, options)
    check_nights(first, last)
    if bundle is not None:
        settings = with_bundle(settings, bundle)
    if options["offline"]:
        require_replay_extra("orjson", "pyarrow")
    try:
        event_list = None if events is None else read_event_list(events)
    except ArchiveFault as fault:
        usage(str(fault))
    opened = open_archives(archives, events=event_list, max_packet_bytes=settings.max_packet_bytes)
    _tell_faults(opened, skip=options["on_fault"] == "skip")
    selection = Selection(first, last, as_of)
    try:
        if options["offline"]:
            _offline(settings, opened, selection, options)
        else:
            _to_topic(settings, opened, selection, options)
    except KeyboardInterrupt:
        click.echo("interrupted: go on with --resume", err=True)
        sys.exit(_INTERRUPTED)


def _check_usage(archives: Sequence[Path], options: dict[str, Any]) -> None:
    fault = _mode_fault(options)
    if fault is None:
        return
    absent = [str(archive) for archive in archives if not archive.exists()]
    if absent:
        beside = ", ".join(str(command.name) for command in _BESIDE)
        raise click.UsageError(f"no such archive, nor a command of replay ({beside}): {', '.join(absent)}")
    raise click.UsageError(fault)


def _mode_fault(options: dict[str, Any]) -> str | None:
    if options["offline"] and options["force_live_topics"]:
        return "--force-live-topics is of a replay through topics"
    if options["offline"] == options["to_topic"]:
        return "one of --offline and --to-topic is needed"
    if options["offline"] and options["out"] is None:
        return "--offline needs --out FILE.parquet"
    if options["to_topic"] and options["out"] is not None:
        return "--out is of an offline replay"
    if options["offline"] and options["speed"] != math.inf:
        return "--speed is of a replay through topics: offline ones go as fast as they can"
    return None


def _tell_faults(opened: Opened, *, skip: bool) -> None:
    for fault in opened.faults:
        click.echo(f"{'skipped' if skip else 'Error'}: {fault}", err=True)
    if opened.faults and not skip:
        fail("the archives can't be read whole (--on-fault skip leaves out what is named above)")
    if not opened.archives:
        fail("no archive can be read")


def _plan(
    settings: Settings, opened: Opened, selection: Selection, options: dict[str, Any], bar: Progress
) -> ReplayPlan:
    from stream_worker.named_bundle import named_bundle
    from stream_worker.replay.plan import plan_replay

    return plan_replay(
        opened.archives,
        selection,
        named_bundle(settings),
        settings,
        replay_id=options["replay_id"],
        say=bar.say,
    )


def _offline(settings: Settings, opened: Opened, selection: Selection, options: dict[str, Any]) -> None:
    from stream_worker.archives import ArchiveFault
    from stream_worker.replay.checkpoint import CheckpointError
    from stream_worker.replay.offline import NothingReplayed, replay_offline
    from stream_worker.replay.pool import WorkerDied

    try:
        with progress("planning") as bar:
            plan = _plan(settings, opened, selection, options, bar)
        gc.freeze()  # modules live as long as the process: its collections need not walk through them
        with progress("replaying", plan.total) as bar:
            report = replay_offline(
                plan,
                settings,
                options["out"],
                processes=options["workers"] or len(os.sched_getaffinity(0)),
                resume=options["resume"],
                faults=opened.faults,
                skip_faults=options["on_fault"] == "skip",
                started=bar.resumed,
                progress=bar.advance,
                say=bar.say,
            )
    except ArchiveFault as fault:
        fail(f"{fault} (finished chunks are kept: go on with --resume --on-fault skip)")
    except (CheckpointError, NothingReplayed, WorkerDied) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or options['out']}: {error.strerror}")
    click.echo(json.dumps(report.as_json()) if options["as_json"] else "\n".join(_report_lines(report)))
    sys.exit(EXIT_OK)


def _report_lines(report: ReplayReport) -> Sequence[str]:
    lines = [f"notice: {notice}" for notice in report.notices]
    lines += [f"skipped: {fault}" for fault in report.faults]
    lines.append(f"{report.out}: {report.rows} of {report.read} records took part, replay {report.replay_id}")
    for title, counts in (
        ("records", report.outcomes),
        ("scores", report.group_outcomes),
        ("alerts", report.alerts),
    ):
        if counts:
            lines.append(
                f"  {title}: " + ", ".join(f"{number} {name.lower()}" for name, number in counts.items())
            )
    return lines


def _to_topic(settings: Settings, opened: Opened, selection: Selection, options: dict[str, Any]) -> None:
    from stream_worker.archives import ArchiveFault
    from stream_worker.kafka.errors import ProducerFatal, TransactionAborted
    from stream_worker.kafka.topics import TopicCreationError
    from stream_worker.local_stream.processes import ProcessFailed
    from stream_worker.replay.checkpoint import CheckpointError
    from stream_worker.replay.topic import replay_to_topic

    try:
        with progress("planning") as bar:
            plan = _plan(settings, opened, selection, options, bar)
        with progress("sending", plan.total) as bar:
            report = replay_to_topic(
                plan,
                _through(settings, plan, options),
                started=bar.resumed,
                progress=bar.advance,
                say=bar.say,
            )
    except ArchiveFault as fault:
        fail(f"{fault} (what came before is sent: go on with --resume --on-fault skip)")
    except (CheckpointError, ProducerFatal, TransactionAborted, TopicCreationError, ProcessFailed) as error:
        fail(str(error))
    if options["as_json"]:
        click.echo(json.dumps(report.as_json()))
        return
    sent = report.sent
    click.echo(f"replay {report.replay_id}: {sent.sent} candidates sent to {report.topics['candidates']}")
    click.echo(f"  {sent.left_out} took no part, {sent.refused} are no candidates: quarantined")
    for fault_text in sent.faults:
        click.echo(f"  skipped: {fault_text}")
    if report.scored is None:
        click.echo("  no stages were started here: they must read the topics and groups of this replay")
    else:
        click.echo(f"  {report.scored} outcomes of scoring, {report.grouped} of grouping")
    click.echo(f"  stream-worker replay diff topic:{report.replay_id} live")
    click.echo(f"  stream-worker replay remove {report.replay_id}")


def _through(settings: Settings, plan: ReplayPlan, options: dict[str, Any]) -> Through:
    from stream_worker.replay.names import replay_settings
    from stream_worker.replay.topic import Through

    live = options["force_live_topics"]
    scorers = options["scorers"]
    if scorers is None:
        scorers = max(1, len(os.sched_getaffinity(0)) // settings.inference.intra_op_threads)
    return Through(
        settings=settings if live else replay_settings(settings, plan.replay_id),
        partitions=options["partitions"],
        replication_factor=options["replication_factor"],
        scorers=0 if live else scorers,
        speed=options["speed"],
        resume=options["resume"],
        skip_faults=options["on_fault"] == "skip",
    )


for _command in _BESIDE:
    replay.add_command(_command)
