"""``model-build simulate``."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from model_build.extras import require_training_libraries
from model_build.progress import progress_on_stderr
from model_build.season.sizes import SIZES_TOLD, SeasonSize, short_stream, size_of

_STEPS = {
    "detect": "AlertFinder on stars",
    "review": "runs vetted and reviewed",
    "check": "events checked at the season's end",
    "write": "run files written",
}
_INTERRUPTED = 130
_NEEDS = ("astropy", "pyarrow", "scipy", "threadpoolctl", "VBMicrolensing")


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build simulate --out season                            # about 600 labelled stars\n"
    "  model-build simulate --scale train --seed 7 --workers 4 --out train\n"
    "  model-build simulate --scale paper --perturbed 1 --seed 7 --out perturbed\n"
    "  model-build simulate --scale natural --seed 9 --out stream   # five weeks, every candidate\n"
    "  model-build simulate --candidates 300 --out demo             # a week, quickly\n"
    "  model-build simulate --scale train --seed 7 --out train --resume"
)
@click.option("--season", type=click.IntRange(2015, 2049), default=2021, show_default=True, help="Year.")
@click.option("--scale", help=f"Share of the survey, above 0 and at most 1, or {SIZES_TOLD}.  [ci]")
@click.option(
    "--candidates", type=click.IntRange(1), help="Instead: so many candidates of one week, unselected."
)
@click.option("--perturbed", type=click.IntRange(0), help="Draw doubted numbers anew, with this seed.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with numbers that replace those of the package's season.toml.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same bytes.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option(
    "--cache", type=click.Path(file_okay=False, path_type=Path), help="Keep observing schedules here."
)
@click.option(
    "--out", "directory", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder."
)
@click.option("--resume", is_flag=True, help="Go on with the unfinished season in the folder.")
@click.option("--overwrite", is_flag=True, help="Replace the season in the folder.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end.")
def simulate(
    *,
    season: int,
    scale: str | None,
    candidates: int | None,
    perturbed: int | None,
    config_file: Path | None,
    seed: int,
    workers: int,
    cache: Path | None,
    directory: Path,
    resume: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Simulate a season of the survey: stars, sky, AlertFinder on every weekday, vetting, review, labels.

    Writes run-YYYY-MM-DD.avro (candidates as the stream carries them, one Avro container file per
    AlertFinder run), truth.parquet (what each really is), events.parquet (every event, found or not)
    and season.json (how it was made, counts). Equal options and seeds give equal bytes, whatever the
    number of workers, interrupted and resumed or not.
    """
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other")
    require_training_libraries(*_NEEDS)
    size = _size(scale, candidates)
    from model_build.season.archive import TooFewCandidates
    from model_build.season.command import FolderInUse, Order, clear, simulate_to
    from model_build.season.config import ConfigError
    from model_build.season.journal import OtherPlan
    from model_build.season.summary import BadSummary

    order = Order(season, seed, size, perturbed, config_file)
    signal.signal(signal.SIGTERM, _interrupt)
    start = time.monotonic()
    try:
        order.config()
        if overwrite:
            clear(directory)
        with progress_on_stderr(_STEPS) as progress:
            summary = simulate_to(
                directory, order, workers=workers, cache=cache, resume=resume, progress=progress
            )
    except ConfigError as error:
        raise click.UsageError("\n".join(["impossible numbers:", *error.faults])) from None
    except (FolderInUse, OtherPlan) as error:
        raise click.UsageError(str(error)) from None
    except (TooFewCandidates, BadSummary) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("interrupted: the same command with --resume goes on from here", err=True)
        sys.exit(_INTERRUPTED)
    _tell(summary, directory, time.monotonic() - start, as_json=as_json)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _size(scale: str | None, candidates: int | None) -> SeasonSize:
    if candidates is None:
        try:
            return size_of(scale or "ci")
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--scale") from None
    if scale is not None:
        raise click.UsageError("--candidates and --scale exclude each other")
    return short_stream(candidates)


def _tell(summary: dict[str, Any], directory: Path, seconds: float, *, as_json: bool) -> None:
    from model_build.season.selection import PAPER_COUNTS
    from model_build.season.summary import funnel

    per_day, labels = funnel(summary), summary["labels"]
    if as_json:
        told = {name: value for name, value in summary.items() if name not in ("config", "runs")}
        told |= {"runs": len(summary["runs"]), "funnel_per_day": per_day}
        told |= {"directory": str(directory), "seconds": round(seconds, 1)}
        click.echo(json.dumps(told))
        return
    stages = ", ".join(f"{name.replace('_', ' ')} {count:,.0f}" for name, count in per_day.items())
    click.echo(
        f"{summary['candidates']} candidates of {summary['stars']} stars in {directory}, {seconds:.0f} s"
    )
    click.echo(f"a day, at the survey's scale: {stages}")
    for kind, counts in labels.items():
        of_each = ", ".join(f"{count} {label}" for label, count in counts.items())
        click.echo(f"labels {kind}: {of_each}")
    if summary["contents"] == "labelled":
        of_each = ", ".join(f"{count} {label.value}" for label, count in PAPER_COUNTS.items())
        click.echo(f"labels in Viaña et al. 2025: {of_each}")
