"""``model-build simulate``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress

from stream_worker.candidate import Tense

if TYPE_CHECKING:
    from model_build.season.command import SeasonSize

_LINES = 10  # plain progress lines where there is no terminal


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build simulate --candidates 300 --out simulated\n"
    "  model-build simulate --season 2021 --candidates 5000 --seed 7 --out train --json\n"
    "  model-build simulate --scale ci --seed 1 --out season"
)
@click.option("--season", type=click.IntRange(2015, 2049), default=2021, show_default=True, help="Year.")
@click.option("--candidates", type=click.IntRange(1), help="So many of the first, simple simulator.  [300]")
@click.option(
    "--scale",
    help="A whole season instead, detected, vetted and reviewed: share of the survey, or ci, or paper.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="With --scale.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --scale: numbers that replace those of season.toml.",
)
@click.option(
    "--cache", type=click.Path(file_okay=False, path_type=Path), help="With --scale: keep schedules here."
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same candidates."
)
@click.option(
    "--out", "directory", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder."
)
@click.option(
    "--tense",
    type=click.Choice([tense.value for tense in Tense]),
    default=Tense.TEST.value,
    show_default=True,
    help="What the packets say they are.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier simulation in the folder.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end.")
def simulate(
    *,
    season: int,
    candidates: int | None,
    scale: str | None,
    workers: int,
    config_file: Path | None,
    cache: Path | None,
    seed: int,
    directory: Path,
    tense: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Simulate a season's AlertFinder candidates.

    Writes run-NNNN.avro (Avro container files of Candidate v1, one per run of the season) and
    truth.csv (what each candidate really is) into a folder. A provisional simulator: simple
    signals on realistic schedules and noise, classes balanced as in Viaña et al. 2025.

    With --scale the whole survey is simulated instead: stars and artefacts in a scene, AlertFinder on
    every weekday, vetting, a two-stage review. It writes run-YYYY-MM-DD.avro with the labelled stars'
    candidates and truth.parquet. Its artefact mix is not tuned to the survey's funnel yet.
    """
    if scale is not None:
        if candidates is not None:
            raise click.UsageError("--candidates and --scale exclude each other")
        _simulate_season(season, scale, workers, config_file, cache, seed, directory, overwrite, as_json)
        return
    candidates = candidates or 300
    from model_build.simulator.simulate import simulate_season
    from model_build.simulator.write import existing_output, write_season

    old = existing_output(directory) if directory.is_dir() else []
    if old and not overwrite:
        raise click.UsageError(
            f"{directory} already holds {len(old)} files of a simulation, e.g. {old[0].name}: "
            "choose another folder or add --overwrite"
        )
    for path in old:
        path.unlink()
    start = time.monotonic()
    simulated = simulate_season(season, candidates, seed, tense=Tense(tense))
    with _progress(candidates) as report:
        written = write_season(simulated, directory, report)
    seconds = time.monotonic() - start
    counts = {label: written.labels.get(label, 0) for label in ("yes", "maybe", "no")}
    if as_json:
        summary = {"season": season, "seed": seed, "candidates": candidates, "labels": counts}
        summary |= {"files": written.files, "bytes": written.bytes, "directory": str(directory)}
        click.echo(json.dumps(summary | {"seconds": round(seconds, 3)}))
        return
    by_label = ", ".join(f"{count} {label}" for label, count in counts.items())
    click.echo(
        f"{candidates} candidates ({by_label}) in {written.files} run files, {written.bytes / 1e6:.1f} MB, "
        f"in {seconds:.1f} s: {directory}"
    )


def _simulate_season(
    season: int,
    scale: str,
    workers: int,
    config_file: Path | None,
    cache: Path | None,
    seed: int,
    directory: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    from model_build.season.archive import existing_archive
    from model_build.season.command import simulate_to
    from model_build.season.config import ConfigError

    size = _season_size(scale)
    old = existing_archive(directory) if directory.is_dir() else []
    if old and not overwrite:
        raise click.UsageError(
            f"{directory} already holds {len(old)} files of a season, e.g. {old[0].name}: "
            "choose another folder or add --overwrite"
        )
    for path in old:
        path.unlink()
    start = time.monotonic()
    try:
        summary = simulate_to(
            directory,
            season=season,
            size=size,
            seed=seed,
            workers=workers,
            cache=cache,
            config_file=config_file,
            progress=_SeasonProgress(),
        )
    except ConfigError as error:
        raise click.UsageError("\n".join(["impossible numbers:", *error.faults])) from None
    summary["seconds"] = round(time.monotonic() - start, 1)
    if as_json:
        click.echo(json.dumps(summary))
        return
    for name, value in summary.items():
        click.echo(f"{name:16} {value}")


def _season_size(scale: str) -> SeasonSize:
    from model_build.season.command import NAMED_SIZES, SeasonSize

    if scale in NAMED_SIZES:
        return NAMED_SIZES[scale]
    try:
        share = float(scale)
    except ValueError:
        share = -1.0
    if not 0.0 < share <= 1.0:
        names = ", ".join(NAMED_SIZES)
        raise click.BadParameter(
            f"{scale!r} is neither a share of 0 to 1 nor one of {names}", param_hint="--scale"
        )
    return SeasonSize(share, share)


class _SeasonProgress:
    """A line on standard error for every tenth of each step."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > self._told.get(step, 0):
            self._told[step] = tenth
            click.echo(f"{step} {done} of {total}", err=True)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Report on stderr how many are done: a bar on a terminal, a few lines elsewhere."""
    if sys.stderr.isatty():
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("simulating", total=total)
            yield lambda done: bar.update(task, completed=done)
        return
    marks = {round(total * k / _LINES) for k in range(1, _LINES + 1)}

    def line(done: int) -> None:
        if done in marks:
            click.echo(f"simulated {done} of {total}", err=True)

    yield line
