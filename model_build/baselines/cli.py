"""``model-build baselines``."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model_build.baselines.catalogue import NAMES, ON_FEATURES, chosen
from model_build.extras import require_training_libraries
from model_build.progress import progress_on_stderr

if TYPE_CHECKING:
    from model_build.baselines.compare import Asked
    from model_build.training_set.reader import TrainingSet
    from stream_worker.bundle import Bundle

_NEEDS = ("sklearn", "xgboost", "pyarrow", "scipy", "threadpoolctl", "tensorflow", "matplotlib")
_CACHE = Path(".cache") / "baselines"
_INTERRUPTED = 130
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build baselines --set set --set-season train --run run --page baselines.html\n"
    "  model-build baselines --set set --set-season train --bundle my-bundle\n"
    "  model-build baselines --set set --set-season train --only xgboost --only perceptron\n"
    "  model-build baselines --set set --only ctio_only --only cnn --limit 8000 --epochs 8\n"
    "  model-build evaluate --baselines baselines.json     # as a section of the evaluation"
)
@click.option(
    "--set", "training_set", type=_FOLDER, required=True, help="Folder that model-build dataset wrote."
)
@click.option("--set-season", type=_FOLDER, help="The season it was made of: features need light curves.")
@click.option("--run", type=_FOLDER, help="Folder of a training run on it: the network to be compared.")
@click.option(
    "--bundle",
    "source",
    type=click.Path(exists=True, path_type=Path),
    help="Instead: folder or tar whose network is to be compared.",
)
@click.option(
    "--out",
    type=_FILE,
    default=Path("baselines.json"),
    show_default=True,
    help="All figures; model-build evaluate --baselines reads them.",
)
@click.option("--page", type=_FILE, help="A page of its own, self-contained HTML.")
@click.option("--only", type=click.Choice(NAMES), multiple=True, help="Only this one; repeatable.  [all]")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=4000,
    show_default=True,
    help="Examples that short trainings see.",
)
@click.option(
    "--epochs", type=click.IntRange(1), default=4, show_default=True, help="Epochs of short trainings."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=_CACHE,
    show_default=True,
    help="Features, networks and scores are kept here, to go on from.",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end.")
def baselines(
    *,
    training_set: Path,
    set_season: Path | None,
    run: Path | None,
    source: Path | None,
    out: Path,
    page: Path | None,
    only: tuple[str, ...],
    limit: int,
    epochs: int,
    seed: int,
    workers: int,
    cache: Path,
    as_json: bool,
) -> None:
    """Train and measure simpler classifiers on a training set's split: what the network has to beat.

    Classifiers on classical features (XGBoost, bagging, decision tree, perceptron) and on those with
    auxiliary ones (gradient boosting); short trainings of the network, of CTIO alone, of a 1-D CNN,
    without the fit line, and of the paper's network, all on the same subset. Mean accuracies on the test
    split, thresholds chosen on validation, and the network's lead over each with its interval, paired by
    cluster. Short trainings are held against three_branches, which is trained with any of them.
    """
    require_training_libraries(*_NEEDS)
    names = chosen(only)
    needing = [name for name in names if name in ON_FEATURES]
    if needing and set_season is None:
        raise click.UsageError(f"{', '.join(needing)}: add --set-season, or choose others by --only")
    if run is not None and source is not None:
        raise click.UsageError("--run and --bundle: which network is to be compared? Give one of them")
    for path in (out, page):
        if path is not None and not path.absolute().parent.is_dir():
            raise click.UsageError(f"{path.parent}: no such folder, {path.name} would go there")
    from model_build.baselines.compare import Asked
    from model_build.training_set.reader import BadTrainingSet, open_training_set

    try:
        opened = open_training_set(training_set)
    except BadTrainingSet as error:
        raise click.ClickException(str(error)) from error
    bundle = None if source is None else _load(source)
    signal.signal(signal.SIGTERM, _interrupt)
    start = time.monotonic()
    asked = Asked(names, set_season, run, bundle, limit, epochs, seed)
    try:
        numbers = _compare(opened, asked, out, page, workers, cache)
    except KeyboardInterrupt:
        click.echo("interrupted: the same command goes on from here", err=True)
        sys.exit(_INTERRUPTED)
    for doubt in numbers["doubts"]:
        click.echo(f"Doubtful: {doubt}", err=True)
    _tell(numbers, out, page, time.monotonic() - start, as_json=as_json)


def _compare(
    opened: TrainingSet, asked: Asked, out: Path, page: Path | None, workers: int, cache: Path
) -> dict[str, Any]:
    """Compare and write figures and page."""
    from model_build.baselines.compare import compare
    from model_build.baselines.numbers import baseline_section
    from model_build.dataset import DatasetError
    from model_build.evaluation.scoring import BundleChanged
    from model_build.evaluation.splits import OtherStandardisation
    from model_build.season_report.archive import BadArchive
    from model_build.training.run_folder import BadRun
    from model_build.training_set.crew import open_crew
    from stream_worker.codec import BadContainer
    from stream_worker.report_page import page as page_of
    from stream_worker.report_page import write_page
    from stream_worker.scoring import ProviderUnavailable, ScorerBroken, ScoringError

    try:
        with progress_on_stderr() as progress, open_crew(workers) as crew:
            numbers = compare(opened, asked, crew, cache, progress)
        write_page(out, json.dumps(numbers, indent=1, allow_nan=False) + "\n")
        if page is not None:
            write_page(page, page_of("Baselines", [baseline_section(numbers)]))
    except OtherStandardisation as error:
        raise click.ClickException(f"{error}: add --set-season") from error
    except (DatasetError, BadArchive, BadContainer, BadRun) as error:
        raise click.ClickException(str(error)) from error
    except (BundleChanged, ProviderUnavailable, ScorerBroken, ScoringError) as error:
        raise click.ClickException(f"bundle: {error}") from error
    except ValueError as error:
        raise click.ClickException(f"can't be compared: {error}") from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror or error}") from error
    return numbers


def _load(source: Path) -> Bundle:
    from stream_worker.bundle import BundleError, load_bundle

    try:
        return load_bundle(source)
    except BundleError as error:
        raise click.ClickException(str(error)) from error


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _tell(numbers: dict[str, Any], out: Path, page: Path | None, seconds: float, *, as_json: bool) -> None:
    if as_json:
        written = {"out": str(out), "page": None if page is None else str(page)}
        click.echo(json.dumps({**numbers, **written, "seconds": round(seconds, 1)}, allow_nan=False))
        return
    from model_build.baselines.numbers import OVER, estimate_from, not_beaten

    click.echo(f"{out}: {seconds:.0f} s, mean accuracies on {numbers['n']['test']:,} stars of the test split")
    whole = {} if numbers["run"] is None else {"trained network": numbers["run"]}
    for name, its in (whole | numbers["baselines"]).items():
        line = f"{name}: two classes {estimate_from(its['binary'])}, three {estimate_from(its['multiclass'])}"
        for over, network in OVER.items():
            if (lead := its.get(over)) is not None:
                two, three = (estimate_from(lead[task]) for task in ("binary", "multiclass"))
                line += f"; {network} leads by {two}, {three}"
        click.echo(line)
    for line in not_beaten(numbers):
        click.echo(line)
