"""``model-build simulate``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from stream_worker.candidate import Tense

_LINES = 10  # plain progress lines where there is no terminal


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build simulate --candidates 300 --out simulated\n"
    "  model-build simulate --season 2021 --candidates 5000 --seed 7 --out train --json"
)
@click.option("--season", type=click.IntRange(2015, 2049), default=2021, show_default=True, help="Year.")
@click.option("--candidates", type=click.IntRange(1), default=300, show_default=True, help="How many.")
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
    *, season: int, candidates: int, seed: int, directory: Path, tense: str, overwrite: bool, as_json: bool
) -> None:
    """Simulate a season's AlertFinder candidates.

    Writes run-NNNN.avro (Avro container files of Candidate v1, one per run of the season) and
    truth.csv (what each candidate really is) into a folder. A provisional simulator: simple
    signals on realistic schedules and noise, classes balanced as in Viaña et al. 2025.
    """
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
