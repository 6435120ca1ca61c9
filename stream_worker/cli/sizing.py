"""``stream-worker sizing``."""

from __future__ import annotations

import json
from dataclasses import fields

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from stream_worker.cli.common import examples, output_console
from stream_worker.sizing import Load, Measured, Size, size

SURVEYS = {"KMTNet": 20_000, "10 x KMTNet": 200_000, "Rubin": 10_000_000}
_DEFAULT, _FIGURES = Load(0), Measured()


@click.command(
    epilog=examples(
        "stream-worker sizing",
        "stream-worker sizing --candidates-per-night 60000 --burst-s 300",
        "stream-worker sizing --scorer-per-s 2500 --json",
    )
)
@click.option("--candidates-per-night", type=click.IntRange(1), help="One survey instead of the three known.")
@click.option("--observations", type=click.IntRange(1), default=_DEFAULT.observations, show_default=True)
@click.option("--burst-share", type=click.FloatRange(0, 1), default=_DEFAULT.burst_share, show_default=True)
@click.option(
    "--burst-s",
    type=click.IntRange(1),
    default=_DEFAULT.burst_s,
    show_default=True,
    help="Time in which that share comes and must be scored.",
)
@click.option("--night-s", type=click.IntRange(1), default=_DEFAULT.night_s, show_default=True)
@click.option("--passed-share", type=click.FloatRange(0, 1), default=_DEFAULT.passed_share, show_default=True)
@click.option("--retention-days", type=click.IntRange(1), default=_DEFAULT.retention_days, show_default=True)
@click.option("--replication", type=click.IntRange(1), default=_DEFAULT.replication, show_default=True)
@click.option(
    "--scorer-per-s",
    type=click.FloatRange(0, min_open=True),
    default=_FIGURES.scorer_per_s,
    show_default=True,
    help="Candidates per second of one scorer pod, as `stream-worker benchmark` finds on your machines.",
)
@click.option(
    "--deduplicator-per-s",
    type=click.FloatRange(0, min_open=True),
    default=_FIGURES.deduplicator_per_s,
    show_default=True,
    help="Scores per second of one deduplicator pod.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def sizing(
    *,
    candidates_per_night: int | None,
    scorer_per_s: float,
    deduplicator_per_s: float,
    as_json: bool,
    **load: float,
) -> None:
    """Partitions, pods, brokers and bytes that a survey needs, from measured figures."""
    surveys = {"given": candidates_per_night} if candidates_per_night else SURVEYS
    measured = Measured(scorer_per_s=scorer_per_s, deduplicator_per_s=deduplicator_per_s)
    sizes = {name: size(Load(night, **load), measured) for name, night in surveys.items()}  # type: ignore[arg-type]
    if as_json:
        click.echo(json.dumps({name: found.as_json() for name, found in sizes.items()}))
        return
    table = Table("", *(f"{name}\n{surveys[name]:,} a night" for name in sizes), box=SIMPLE_HEAD)
    for field in fields(Size):
        table.add_row(
            field.name.replace("_", " "),
            *(shown_value(field.name, getattr(s, field.name)) for s in sizes.values()),
        )
    output_console().print(table)


def shown_value(name: str, value: float) -> str:
    """A figure for people, with its unit."""
    if "bytes" in name:
        for unit in ("B", "kB", "MB", "GB", "TB"):
            if value < 1000:
                return f"{value:.3g} {unit}"
            value /= 1000
        return f"{value:.3g} PB"
    return f"{value:,}" if value == int(value) else f"{value:,.2f}"
