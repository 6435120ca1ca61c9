"""``model-build evaluate``."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model_build.extras import require_training_libraries
from model_build.progress import progress_on_stderr

if TYPE_CHECKING:
    from model_build.evaluation.evaluate import Inputs
    from model_build.progress import Progress
    from stream_worker.bundle import Bundle

_NEEDS = ("matplotlib", "sklearn", "pyarrow", "scipy", "threadpoolctl", "onnxruntime")
_TO_SIMULATE = ("astropy", "VBMicrolensing")
_CACHE = Path(".cache") / "evaluation"
_INTERRUPTED = 130
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build evaluate                      # the shipped bundle on a small season of its own\n"
    "  model-build evaluate --bundle bundle --season other --stream stream --perturbed perturbed\n"
    "  model-build evaluate --bundle bundle --season other --set set --set-season train --run run\n"
    "  model-build evaluate --season other --json | tail -n 1"
)
@click.option(
    "--bundle",
    "source",
    type=click.Path(exists=True, path_type=Path),
    help="Folder or tar.  [the shipped one]",
)
@click.option(
    "--season", type=_FOLDER, help="Simulated season with labels.  [a small one, simulated into the cache]"
)
@click.option("--stream", type=_FOLDER, help="Natural stream (simulate --scale natural).")
@click.option(
    "--perturbed",
    type=_FOLDER,
    help="Season with perturbed numbers, held against --season: paired if of the same seed.",
)
@click.option("--set", "training_set", type=_FOLDER, help="Training set (model-build dataset), by split.")
@click.option("--set-season", type=_FOLDER, help="The season that --set was made of: how much must be seen.")
@click.option("--run", type=_FOLDER, help="Folder of a training run with history.csv: learning curves.")
@click.option(
    "--baselines",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What model-build baselines wrote: a section.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("evaluation.html"),
    show_default=True,
    help="The page; all its numbers go beside it as .json.",
)
@click.option(
    "--images",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the figures of stream, p_event and visibility as PNG, too.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=_CACHE,
    show_default=True,
    help="Scores are kept here, to go on from.",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end.")
def evaluate(
    *,
    source: Path | None,
    season: Path | None,
    stream: Path | None,
    perturbed: Path | None,
    training_set: Path | None,
    set_season: Path | None,
    run: Path | None,
    baselines: Path | None,
    out: Path,
    images: Path | None,
    workers: int,
    cache: Path,
    as_json: bool,
) -> None:
    """Evaluate a bundle on simulated seasons, whole: one self-contained HTML page, and its numbers as JSON.

    Every labelled star of --season, at its label's date and at its first: accuracies of both tasks with
    intervals, against what hidden truth allows, by what events and artefacts are like. On --stream: false
    alerts a night against completeness, lead time, calibration at the survey's base rate. Scores are kept
    in the cache under the hashes of bundle and season; an interrupted evaluation goes on from there.
    """
    require_training_libraries(*_NEEDS, *(() if season else _TO_SIMULATE))
    if set_season is not None and training_set is None:
        raise click.UsageError("--set-season goes with --set")
    if not out.absolute().parent.is_dir():
        raise click.UsageError(f"{out.parent}: no such folder, the page would go there")
    from model_build.baselines.numbers import BadBaselines, read_baselines
    from model_build.evaluation.evaluate import Inputs

    try:
        of_baselines = None if baselines is None else read_baselines(baselines)
    except BadBaselines as error:
        raise click.UsageError(str(error)) from error
    bundle = _load(source)
    signal.signal(signal.SIGTERM, _interrupt)
    start = time.monotonic()
    try:
        with progress_on_stderr() as progress:
            inputs = Inputs(
                season=season or _own_season(cache, workers, progress),
                stream=stream,
                perturbed=perturbed,
                training_set=training_set,
                set_season=set_season,
                run=run,
                baselines=of_baselines,
            )
            numbers = _evaluate(inputs, bundle, out, images, workers, cache, progress)
    except KeyboardInterrupt:
        click.echo("interrupted: the same command goes on from here", err=True)
        sys.exit(_INTERRUPTED)
    for doubt in numbers["doubts"]:
        click.echo(f"Doubtful: {doubt}", err=True)
    _tell(numbers, out, time.monotonic() - start, as_json=as_json)


def _own_season(cache: Path, workers: int, progress: Progress) -> Path:
    from model_build.evaluation.evaluate import own_season
    from model_build.season.command import FolderInUse

    try:
        return own_season(cache, workers, progress)
    except (FolderInUse, ValueError) as error:
        raise click.ClickException(f"no season of its own: {error}") from error


def _evaluate(
    inputs: Inputs,
    bundle: Bundle,
    out: Path,
    images: Path | None,
    workers: int,
    cache: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Evaluate and write page and numbers."""
    from model_build.dataset import DatasetError
    from model_build.evaluation.evaluate import evaluate as run_evaluation
    from model_build.evaluation.history import BadHistory
    from model_build.evaluation.images import write_images
    from model_build.evaluation.numbers import DETAILS, numbers_of
    from model_build.evaluation.report import page_of
    from model_build.evaluation.scoring import BundleChanged
    from model_build.evaluation.splits import OtherStandardisation
    from model_build.season_report.archive import BadArchive
    from model_build.training.run_folder import BadRun
    from model_build.training_set.crew import open_crew
    from model_build.training_set.reader import BadTrainingSet
    from stream_worker.codec import BadContainer
    from stream_worker.report_page import write_page
    from stream_worker.scoring import ProviderUnavailable, ScorerBroken, ScoringError

    try:
        with open_crew(workers) as crew:
            found = run_evaluation(inputs, bundle, crew, cache, progress)
        numbers = numbers_of(found)
        if inputs.baselines is not None:
            numbers[DETAILS]["baselines"] = inputs.baselines
        write_page(out, page_of(found, inputs.baselines))
        if images is not None:
            write_images(images, found)
        write_page(out.with_suffix(".json"), json.dumps(numbers, indent=1, allow_nan=False) + "\n")
    except OtherStandardisation as error:
        raise click.UsageError(f"{error}: add --set-season") from error
    except (
        BadArchive,
        BadContainer,
        BadTrainingSet,
        BadHistory,
        BadRun,
        DatasetError,
        BundleChanged,
    ) as error:
        raise click.ClickException(str(error)) from error
    except (ProviderUnavailable, ScorerBroken, ScoringError) as error:
        raise click.ClickException(f"bundle {bundle.path}: {error}") from error
    except ValueError as error:
        raise click.ClickException(f"can't be evaluated: {error}") from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror or error}") from error
    return numbers


def _load(source: Path | None) -> Bundle:
    from stream_worker.bundle import BundleError, load_bundle
    from stream_worker.bundle.shipped import shipped_bundle

    try:
        return load_bundle(shipped_bundle() if source is None else source)
    except BundleError as error:
        raise click.ClickException(str(error)) from error


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _tell(numbers: dict[str, Any], out: Path, seconds: float, *, as_json: bool) -> None:
    from model_build.evaluation.numbers import DETAILS

    if as_json:
        told = {name: value for name, value in numbers.items() if name != DETAILS}
        click.echo(json.dumps({**told, "page": str(out), "seconds": round(seconds, 1)}, allow_nan=False))
        return
    click.echo(f"{out}: {seconds:.0f} s")
    for task in ("binary", "multiclass"):
        its = numbers[task]
        line = f"{task} mean accuracy {_estimate(its['mean_accuracy'], its['interval'])}"
        if its["ceiling"] is not None:
            ratio = its["ratio_to_ceiling"]
            line += f", {_estimate(ratio['value'], ratio['interval'])} of the ceiling"
        click.echo(line)
    if "perturbed" in numbers:
        fall, common = (numbers["perturbed"][name] for name in ("binary_fall", "common_stars"))
        sampled = "independent samples" if common is None else f"paired, {common:,} stars in both"
        click.echo(
            f"perturbed season: binary falls by {_estimate(fall['value'], fall['interval'])}, {sampled}"
        )
    for score, its in _announcing(numbers.get("stream", {})).items():
        if (purest := its["at_purity"]) is not None:
            last = purest["events_last"]
            click.echo(
                f"stream: events by label date, {purest['n_no']:,} Nos turned down to 99.7 % by {score}: "
                f"{_estimate(last['value'], last['interval'])}"
            )


def _announcing(stream: dict[str, Any]) -> dict[str, Any]:
    """What a stream's numbers say of each score."""
    by = {name.removeprefix("by_"): its for name, its in stream.items() if name.startswith("by_")}
    return {"p_review": stream, **by} if stream else {}


def _estimate(value: float | None, interval: list[float | None]) -> str:
    if value is None or interval[0] is None or interval[1] is None:
        return "unknown"
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"
