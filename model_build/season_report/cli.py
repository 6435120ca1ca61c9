"""``model-build report season``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from model_build.extras import require_training_libraries
from model_build.progress import progress_on_stderr

_NEEDS = ("matplotlib", "sklearn", "pyarrow")
_PAGE = "report.html"


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build report season train                       # writes train/report.html\n"
    "  model-build report season stream --no-classifiers --out stream.html\n"
    "  model-build report season train --json"
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The page; an older one is replaced.  [DIR/{_PAGE}]",
)
@click.option("--classifiers/--no-classifiers", default=True, help="Train simple classifiers: takes minutes.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end.")
def season(*, directory: Path, out: Path | None, classifiers: bool, as_json: bool) -> None:
    """Report on a simulated season: one HTML page, self-contained.

    Shows the archive in DIR beside what is published of the survey: funnel, labels, errors of the review,
    distributions, maps, light curves of every kind, and how well simple classifiers do.
    """
    require_training_libraries(*_NEEDS)
    from model_build.season_report.archive import BadArchive
    from model_build.season_report.report import report_on
    from stream_worker.report_page import write_page

    start = time.monotonic()
    path = out or directory / _PAGE
    if out is not None and not out.parent.is_dir():
        raise click.ClickException(f"{out.parent}: no such folder, the page would go there")
    try:
        with progress_on_stderr() as progress:
            report = report_on(directory, with_classifiers=classifiers, progress=progress)
        write_page(path, report.html)
    except BadArchive as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or path}: {error.strerror or error}") from error
    numbers = {"page": str(path), "seconds": round(time.monotonic() - start, 1), **report.numbers}
    click.echo(json.dumps(numbers) if as_json else _told(numbers))


def _told(numbers: dict[str, Any]) -> str:
    per_day = numbers["funnel"]["per_day"]
    steps = ", ".join(f"{step.replace('_', ' ')} {count:,.0f}" for step, count in per_day.items())
    lines = [
        f"{numbers['page']}: {numbers['candidates']:,} candidates, {numbers['seconds']:.0f} s",
        f"a day, at the survey's scale: {steps}",
    ]
    classifiers = numbers["classifiers"]
    if classifiers is not None and "fault" in classifiers:
        lines.append(f"classifiers not trained: {classifiers['fault']}")
    elif classifiers is not None and not classifiers["date_and_counts_near_chance"]:
        lines.append("warning: date and numbers of observations tell the classes apart, see the page")
    return "\n".join(lines)
