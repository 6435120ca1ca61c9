"""``model-build train``."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from model_build.extras import require_training_libraries

_NEEDS = ("tensorflow", "scipy")
_INTERRUPTED = 130


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build dataset season --out set\n"
    "  model-build train --set set --out run                       # both tasks, two heads\n"
    "  model-build train --set set --out run --resume              # go on after an interruption\n"
    "  model-build train --set set --out two --task binary --config paper\n"
    "  model-build train --set set --out mine --config mine.toml --epochs 10 --seed 2 --json"
)
@click.option(
    "--set",
    "training_set",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder that model-build dataset wrote.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Run's folder.")
@click.option(
    "--task",
    type=click.Choice(["binary", "multiclass", "both"]),
    default="both",
    show_default=True,
    help="Which heads are trained.",
)
@click.option(
    "--config",
    default="default",
    show_default=True,
    help="default, paper (Adam at 1e-6, 5000 epochs), or a TOML file.",
)
@click.option("--epochs", type=click.IntRange(1), help="Instead of the configuration's.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    help="Train on a random subset of so many examples.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of weights and batches.")
@click.option("--resume", is_flag=True, help="Go on with the unfinished run in the folder.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end.")
def train(
    *,
    training_set: Path,
    out: Path,
    task: str,
    config: str,
    epochs: int | None,
    limit: int | None,
    seed: int,
    resume: bool,
    as_json: bool,
) -> None:
    """Train the network on a training set; a checkpoint after every epoch.

    Writes run.json, best.npz (weights of the best epoch), checkpoint.npz, history.csv (accuracies by
    epoch) and tensorboard/. Interrupted and resumed it ends with the same weights. model-build export
    makes a bundle of it.
    """
    require_training_libraries(*_NEEDS)
    from model_build.training.options import TASKS, BadTrainingOptions, read_options
    from model_build.training_set.reader import BadTrainingSet, open_training_set

    try:
        options = read_options(config)
        found = open_training_set(training_set)
    except BadTrainingOptions as error:
        raise click.UsageError(str(error)) from None
    except BadTrainingSet as error:
        raise click.ClickException(str(error)) from None
    if epochs is not None:
        options = replace(options, epochs=epochs)
    chosen = next(name for name in TASKS if name == task)
    asked = {"options": options, "task": chosen, "seed": seed, "training_set": found.sha256, "limit": limit}
    _refuse_other_run(out, asked, resume=resume)

    from model_build.training.fit import train as fit
    from model_build.training.history import Epoch

    start = time.monotonic()

    def report(epoch: Epoch) -> None:
        click.echo(
            f"epoch {epoch.number:3d} of {options.epochs}: loss {epoch.loss:.4f}, validation "
            f"{epoch.validation_loss:.4f}, accuracy two classes "
            f"{epoch.accuracies['validation_review_accuracy']:.4f}, three "
            f"{epoch.accuracies['validation_classes_accuracy']:.4f}, {time.monotonic() - start:.0f} s",
            err=True,
        )

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        trained = fit(found, out, options, task=chosen, seed=seed, limit=limit, report=report)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo(f"interrupted: go on with --resume; {out} has the epochs done", err=True)
        sys.exit(_INTERRUPTED)
    best = trained.epochs[trained.best_epoch - 1]
    if as_json:
        told = {"run": str(out), "epochs": len(trained.epochs), "best_epoch": trained.best_epoch}
        click.echo(json.dumps(told | best.row() | {"seconds": round(time.monotonic() - start, 1)}))
        return
    click.echo(
        f"{out}: best of {len(trained.epochs)} epochs is {trained.best_epoch}, validation loss "
        f"{best.validation_loss:.4f}"
    )


def _refuse_other_run(out: Path, asked: Mapping[str, object], *, resume: bool) -> None:
    from model_build.training.run_folder import BadRun, read_run

    if not out.exists() or not any(out.iterdir()):
        return
    if not resume:
        raise click.UsageError(f"{out} is not empty: choose another folder, or go on with --resume")
    try:
        run = read_run(out)
    except BadRun as error:
        raise click.UsageError(str(error)) from None
    other = [name for name, value in asked.items() if getattr(run, name) != value]
    if other:
        raise click.UsageError(f"the run in {out} has other {', '.join(other)}: choose another folder")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
