"""``model-build export`` and ``check``."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from model_build.extras import require_training_libraries
from model_build.progress import progress_on_stderr
from stream_worker.bundle import Bundle, BundleError, load_bundle

if TYPE_CHECKING:
    from model_build.bundle_writer import Release
    from model_build.runs_to_bundle import Base
    from stream_worker.batching import Branches

_NEEDS = ("tensorflow", "tf2onnx", "onnx", "onnxruntime", "pyarrow", "scipy")
_REAL = 500
_AT_ONCE = 16


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build export run --set set --stream stream --stream another --release 2.0.0 --out bundle\n"
    "  model-build export two three --set set --base-rate 0.02 --out bundle  # a run for each task\n"
    "  model-build export bundle --out lensnet.tar.gz                        # a bundle anew"
)
@click.argument(
    "sources",
    metavar="RUN|BUNDLE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder, .tar or .tar.gz.")
@click.option(
    "--set",
    "training_set",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The training set of the runs.",
)
@click.option(
    "--stream",
    "streams",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A natural stream that p_event is fitted to, and nothing is evaluated on; several if repeated.",
)
@click.option(
    "--base-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Or a stream's share of events alone.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".cache") / "evaluation",
    show_default=True,
    help="Scores of streams are kept here.",
)
@click.option(
    "--figures",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON object of further rows for the model card.",
)
@click.option("--name", default="lensnet", show_default=True, help="Name of the bundle.")
@click.option("--release", default="0+local", show_default=True, help="Version of the bundle.")
@click.option("--provisional", is_flag=True, help="Mark it as one whose scores mean nothing yet.")
def export(
    *,
    sources: tuple[Path, ...],
    out: Path,
    training_set: Path | None,
    streams: tuple[Path, ...],
    base_rate: float | None,
    workers: int,
    cache: Path,
    figures: Path | None,
    name: str,
    release: str,
    provisional: bool,
) -> None:
    """Make a bundle of training runs, or export the weights kept in a bundle anew.

    One run of both tasks, or one of each. The threshold is chosen on the set's validation stars, at their
    labels' and first dates, p_event fitted to all candidates of the streams, or to those stars at
    --base-rate; the set's test stars give the figures of the model card. The bundle is verified as by a
    worker before it appears.
    """
    require_training_libraries(*_NEEDS)
    from model_build.network_bundle import bundle_files, networks_of
    from model_build.runs_to_bundle import Base

    if (sources[0] / "run.json").is_file():
        if training_set is None:
            raise click.UsageError("--set is missing: the training set of the runs")
        if streams and base_rate is not None:
            raise click.UsageError("--stream and --base-rate exclude each other")
        more = {} if figures is None else _figures(figures)
        called = {"name": name, "version": release}
        base = Base(streams, base_rate, workers, cache)
        files = _files_of_runs(sources, training_set, base, more, provisional=provisional, **called)
    else:
        if len(sources) > 1:
            raise click.UsageError("expected training runs, or one bundle")
        bundle = _load(sources[0])
        try:
            files = bundle_files(networks_of(bundle), _same_release(bundle))
        except ValueError as error:
            _fail(str(error))
    _write(files, out, name)


@click.command(
    epilog="\b\nExamples:\n  model-build check bundle\n  model-build check lensnet.tar.gz --set set --json"
)
@click.argument("source", metavar="BUNDLE", type=click.Path(exists=True, path_type=Path))
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the test batches.")
@click.option(
    "--set",
    "training_set",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Compare on candidates of this training set, too.",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def check(*, source: Path, seed: int, training_set: Path | None, as_json: bool) -> None:
    """Check a bundle: hashes, golden vectors, and parity with the Keras network.

    On ragged batches of random series; with --set on 500 real candidates of a training set, too.
    """
    require_training_libraries(*_NEEDS)
    import numpy as np

    from model_build.network_bundle import networks_of
    from model_build.parity import TOLERANCE, measure_parity, ragged_batches
    from stream_worker.scoring import ProviderUnavailable, ScorerBroken, open_scorer

    bundle = _load(source)
    try:
        scorer = open_scorer(bundle, provider="cpu", intra_op_threads=1)
        networks = networks_of(bundle)
    except (ProviderUnavailable, ScorerBroken, ValueError) as error:
        _fail(str(error))
    batches = ragged_batches(np.random.default_rng(seed))
    if training_set is not None:
        batches += _real_batches(training_set, seed)
    golden = [*bundle.golden.batch, *(candidate.branches for candidate in bundle.golden.candidates)]
    batches.append(golden)
    parity = measure_parity(networks.predict, scorer, batches)
    if as_json:
        found = asdict(parity) | {"tolerance": TOLERANCE, "passed": parity.passed, "sha256": bundle.sha256}
        click.echo(json.dumps(found))
    else:
        click.echo(
            f"{bundle.manifest.name} {bundle.manifest.version}: hashes and golden vectors are right; over "
            f"{parity.n} candidates largest difference to the Keras network {parity.keras:.1e}, to the same "
            f"candidate alone {parity.alone:.1e}, tolerance {TOLERANCE:g}"
        )
    if not parity.passed:
        _fail("parity is outside the tolerance")


def _files_of_runs(
    runs: tuple[Path, ...],
    training_set: Path,
    base: Base,
    figures: Mapping[str, Any],
    *,
    name: str,
    version: str,
    provisional: bool,
) -> dict[str, bytes]:
    from model_build.dataset import DatasetError
    from model_build.release import Named
    from model_build.runs_to_bundle import files_of_runs
    from model_build.season_report.archive import BadArchive
    from model_build.training_set.reader import BadTrainingSet, open_training_set
    from stream_worker.codec import BadContainer

    named = Named(name, version, _git_commit(Path(__file__).parents[1]), provisional, figures or None)
    try:
        with progress_on_stderr() as progress:
            return files_of_runs(runs, open_training_set(training_set), base, named, progress)
    except (BadArchive, BadContainer, BadTrainingSet, DatasetError, ValueError) as error:
        _fail(str(error))


def _figures(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise click.UsageError(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise click.UsageError(f"{path}: expected a JSON object, got {type(found).__name__}")
    return found


def _write(files: Mapping[str, bytes], out: Path, name: str) -> None:
    from model_build.bundle_writer import write_bundle, write_tar

    if not out.name.endswith((".tar", ".tar.gz")):
        try:
            written = write_bundle(out, files)
        except FileExistsError as error:
            raise click.UsageError(str(error)) from error
    else:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / name
            write_bundle(folder, files)
            write_tar(folder, out)
        written = _load(out)
    size = sum(map(len, written.files.values()))
    for key, value in written.manifest.metrics.items():
        click.echo(f"{key:20} {value:g}")
    manifest = written.manifest
    click.echo(f"{out}: {manifest.name} {manifest.version}, {size / 1e6:.2f} MB, sha256 {written.sha256}")


def _real_batches(training_set: Path, seed: int) -> list[list[Branches]]:
    import numpy as np

    from model_build.training_set.reader import BadTrainingSet, open_training_set

    try:
        found = open_training_set(training_set, verify=False)
    except BadTrainingSet as error:
        _fail(str(error))
    places = np.random.default_rng(seed).permutation(len(found))[:_REAL].tolist()
    return [[found.branches(i) for i in places[at : at + _AT_ONCE]] for at in range(0, len(places), _AT_ONCE)]


def _same_release(bundle: Bundle) -> Release:
    from model_build.bundle_writer import Release
    from stream_worker.bundle.manifest import MODEL_CARD_FILE

    manifest = bundle.manifest
    return Release(
        name=manifest.name,
        version=manifest.version,
        provisional=manifest.provisional,
        standardisation=bundle.standardisation,
        options=bundle.options,
        training_data_sha256=manifest.training_data_sha256,
        git_commit=manifest.git_commit,
        metrics=manifest.metrics,
        model_card=bundle.files[MODEL_CARD_FILE].decode(),
        chosen_threshold=manifest.thresholds.chosen,
        calibration=None if manifest.calibration is None else manifest.calibration.model_dump(),
        made_of=None if manifest.made_of is None else manifest.made_of.model_dump(),
    )


def _load(path: Path) -> Bundle:
    try:
        return load_bundle(path)
    except BundleError as error:
        _fail(str(error))


def _git_commit(root: Path) -> str | None:
    """Commit of the checkout at ``root``; None where there is none, or its code was changed since."""
    packages = ("schemas", "stream_worker", "model_build", ":!stream_worker/bundles")
    if _git(root, "status", "--porcelain", "--", *packages) != "":
        return None
    return _git(root, "rev-parse", "--verify", "--quiet", "HEAD") or None


def _git(root: Path, *arguments: str) -> str | None:
    """Output of git, None where it fails."""
    import subprocess

    command = ["git", "-C", str(root), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def _fail(message: str) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(1)
