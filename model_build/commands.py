"""``model-build train``, ``export`` and ``check``."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from model_build.extras import require_training_libraries
from stream_worker.bundle import Bundle, BundleError, load_bundle

if TYPE_CHECKING:
    from model_build.bundle_writer import Release
    from model_build.dataset import Split
    from model_build.train import Trained, TrainingOptions

_NEEDS = ("tensorflow", "tf2onnx", "onnx", "onnxruntime", "pyarrow", "scipy")
_EVERY = 500


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build train --candidates season --out bundle\n"
    "  model-build train --candidates season --out bundle --epochs 5 --limit 500 --json"
)
@click.option(
    "--candidates",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder that model-build simulate wrote.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the new bundle.")
@click.option("--name", default="lensnet-provisional", show_default=True, help="Name of the bundle.")
@click.option("--release", default="0.1.0", show_default=True, help="Version of the bundle.")
@click.option("--epochs", type=click.IntRange(1), default=16, show_default=True, help="Most epochs.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Split and weights.")
@click.option("--limit", type=click.IntRange(1), help="Use a random subset of so many candidates.")
@click.option(
    "--min-auc", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Write no worse bundle."
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end.")
def train(
    *,
    directory: Path,
    out: Path,
    name: str,
    release: str,
    epochs: int,
    seed: int,
    limit: int | None,
    min_auc: float,
    as_json: bool,
) -> None:
    """Train the network and write a provisional bundle.

    Prepares the labelled candidates as the worker does, one per star, splits them 80/10/10 by cluster
    of stars, trains, measures on the held-out part, and writes a verified bundle.
    """
    require_training_libraries(*_NEEDS)
    from model_build.bundle_writer import write_bundle
    from model_build.network_bundle import bundle_files
    from model_build.train import TrainingOptions

    start = time.monotonic()
    split, season = _read(directory, limit, seed)
    trained = _train(split, TrainingOptions(epochs=epochs, seed=seed))
    release_of = _release(name, release, directory, season, split, trained)
    if release_of.metrics["auc"] < min_auc:
        _fail(f"AUC {release_of.metrics['auc']:.4f} on held-out candidates is below {min_auc}: not written")
    try:
        bundle = write_bundle(out, bundle_files(trained.model, release_of))
    except FileExistsError as error:
        raise click.UsageError(str(error)) from error
    _finish(bundle, as_json=as_json, seconds=time.monotonic() - start)


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build export bundle --out again\n"
    "  model-build export bundle --out lensnet.tar.gz"
)
@click.argument("source", metavar="BUNDLE", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder, .tar or .tar.gz.")
def export(*, source: Path, out: Path) -> None:
    """Export the weights kept in a bundle anew, with everything else as it is.

    For a new release of the exporter or of ONNX; the new bundle is verified as by a worker.
    """
    require_training_libraries(*_NEEDS)
    from model_build.bundle_writer import write_bundle, write_tar
    from model_build.network_bundle import bundle_files
    from model_build.parity import masked_network

    bundle = _load(source)
    files = bundle_files(masked_network(bundle), _same_release(bundle))
    if not out.name.endswith((".tar", ".tar.gz")):
        try:
            written = write_bundle(out, files)
        except FileExistsError as error:
            raise click.UsageError(str(error)) from error
    else:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / bundle.manifest.name
            write_bundle(folder, files)
            write_tar(folder, out)
        written = _load(out)
    click.echo(f"{out}: {written.manifest.name} {written.manifest.version}, sha256 {written.sha256}")


@click.command(epilog="\b\nExamples:\n  model-build check bundle\n  model-build check lensnet.tar.gz --json")
@click.argument("source", metavar="BUNDLE", type=click.Path(exists=True, path_type=Path))
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the test batches.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def check(*, source: Path, seed: int, as_json: bool) -> None:
    """Check a bundle: hashes, golden vectors, and parity with the masked network on ragged batches."""
    require_training_libraries(*_NEEDS)
    import numpy as np

    from model_build.parity import TOLERANCE, masked_network, measure_parity, ragged_batches
    from stream_worker.scoring import ProviderUnavailable, ScorerBroken, open_scorer

    bundle = _load(source)
    try:
        scorer = open_scorer(bundle, provider="cpu", intra_op_threads=1)
        model = masked_network(bundle)
    except (ProviderUnavailable, ScorerBroken, ValueError) as error:
        _fail(str(error))
    golden = [*bundle.golden.batch, *(candidate.branches for candidate in bundle.golden.candidates)]
    parity = measure_parity(model, scorer, [*ragged_batches(np.random.default_rng(seed)), golden])
    if as_json:
        found = asdict(parity) | {"tolerance": TOLERANCE, "passed": parity.passed, "sha256": bundle.sha256}
        click.echo(json.dumps(found))
    else:
        click.echo(
            f"{bundle.manifest.name} {bundle.manifest.version}: hashes and golden vectors are right; over "
            f"{parity.n} candidates largest difference to the masked network {parity.keras:.1e}, to the same "
            f"candidate alone {parity.alone:.1e}, tolerance {TOLERANCE:g}"
        )
    if not parity.passed:
        _fail("parity is outside the tolerance")


def _read(directory: Path, limit: int | None, seed: int) -> tuple[Split, Mapping[str, Any]]:
    from model_build.dataset import DatasetError, read_examples, read_season, split_by_group
    from model_build.metrics import NO
    from stream_worker.codec import BadContainer
    from stream_worker.preprocessing import PreprocessingOptions

    def progress(done: int) -> None:
        if done % _EVERY == 0:
            click.echo(f"prepared {done} candidates", err=True)

    try:
        season = read_season(directory)
        examples = list(read_examples(directory, PreprocessingOptions(), limit=limit, progress=progress))
    except (DatasetError, BadContainer) as error:
        _fail(str(error))
    split = split_by_group(examples, seed)
    click.echo(
        f"{len(examples)} candidates: {len(split.train)} to train, {len(split.validation)} to validate, "
        f"{len(split.test)} held out",
        err=True,
    )
    for name, part in (("to validate", split.validation), ("held out", split.test)):
        if len({example.label == NO for example in part}) < 2:
            _fail(f"too few labelled candidates: those {name} need yes or maybe, and no; simulate more")
    return split, season


def _train(split: Split, options: TrainingOptions) -> Trained:
    from model_build import train as training

    start = time.monotonic()

    def report(epoch: training.Epoch) -> None:
        click.echo(
            f"epoch {epoch.number:2d}: loss {epoch.loss:.4f}, validation {epoch.validation_loss:.4f}, "
            f"{time.monotonic() - start:.0f} s",
            err=True,
        )

    try:
        return training.train(split, options, report)
    except ValueError as error:
        _fail(f"cannot train on these candidates: {error}")


def _release(
    name: str, version: str, directory: Path, season: Mapping[str, Any], split: Split, trained: Trained
) -> Release:
    from model_build.bundle_writer import THRESHOLDS, Release
    from model_build.dataset import data_sha256
    from model_build.metrics import evaluate
    from model_build.model_card import model_card
    from model_build.train import score_with_network
    from stream_worker.preprocessing import PreprocessingOptions

    scores = score_with_network(trained.model, trained.test.branches)
    metrics = evaluate(trained.test.labels, scores, THRESHOLDS)
    metrics |= {"n_train": float(len(split.train)), "n_validation": float(len(split.validation))}
    metrics = {key: round(value, 6) for key, value in metrics.items()}
    return Release(
        name=name,
        version=version,
        provisional=True,
        standardisation=trained.standardisation,
        options=PreprocessingOptions(),
        training_data_sha256=data_sha256(directory),
        git_commit=_git_commit(Path(__file__).parents[1]),
        metrics=metrics,
        model_card=model_card(name, version, metrics, season),
    )


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
    )


def _finish(bundle: Bundle, *, as_json: bool, seconds: float) -> None:
    manifest = bundle.manifest
    size = sum(map(len, bundle.files.values()))
    if as_json:
        found: Mapping[str, Any] = {
            "bundle": str(bundle.path),
            "sha256": bundle.sha256,
            "bytes": size,
            "seconds": round(seconds, 1),
            **manifest.metrics,
        }
        click.echo(json.dumps(found))
        return
    for key, value in manifest.metrics.items():
        click.echo(f"{key:20} {value:g}")
    click.echo(f"{bundle.path}: {size / 1e6:.2f} MB, sha256 {bundle.sha256}, {seconds:.0f} s")


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
