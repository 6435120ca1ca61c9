"""``model-build steps``."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import click

from model_build.extras import require_training_libraries
from model_build.progress import progress_on_stderr
from model_build.steps.catalogue import STEPS

_NEEDS = ("sklearn", "pyarrow", "scipy", "threadpoolctl", "tensorflow")
_CACHE = Path(".cache") / "steps"
_INTERRUPTED = 130


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build steps --set set                                 # every step, a quarter of an hour\n"
    "  model-build steps --set set --only attention --only shared --limit 8000 --epochs 8\n"
    "  model-build steps --set set --json | tail -n 1"
)
@click.option(
    "--set",
    "training_set",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder that model-build dataset wrote.",
)
@click.option("--only", type=click.Choice(tuple(STEPS)), multiple=True, help="This one; repeatable.  [all]")
@click.option("--limit", type=click.IntRange(1), default=4000, show_default=True, help="Examples seen.")
@click.option("--epochs", type=click.IntRange(1), default=4, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of subset and training.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=_CACHE,
    show_default=True,
    help="Networks and scores are kept here, to go on from.",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end.")
def steps(
    *,
    training_set: Path,
    only: tuple[str, ...],
    limit: int,
    epochs: int,
    seed: int,
    cache: Path,
    as_json: bool,
) -> None:
    """Measure what each step of configuration default gains on a training set's validation stars.

    Short trainings on one subset: with all steps, and with each of them taken back. The gain is what
    validation loses without the step, with its 95 % interval over clusters of stars. The test split is
    not looked at.
    """
    require_training_libraries(*_NEEDS)
    from model_build.steps.measure import measure_steps
    from model_build.training.run_folder import BadRun
    from model_build.training_set.reader import BadTrainingSet, open_training_set

    names = tuple(name for name in STEPS if name in only or not only)
    signal.signal(signal.SIGTERM, _interrupt)
    start = time.monotonic()
    try:
        opened = open_training_set(training_set)
        with progress_on_stderr() as progress:
            found = measure_steps(
                opened, names, limit=limit, epochs=epochs, seed=seed, cache=cache, progress=progress
            )
    except (BadTrainingSet, BadRun, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("interrupted: the same command goes on from here", err=True)
        sys.exit(_INTERRUPTED)
    if as_json:
        trained = {"examples": limit, "epochs": epochs, "seed": seed}
        click.echo(json.dumps(found.as_json() | trained | {"seconds": round(time.monotonic() - start, 1)}))
        return
    click.echo(
        f"{found.n} validation stars of {found.clusters} clusters; with all steps two classes "
        f"{found.binary}, three {found.multiclass}, loss {found.loss:.3f}"
    )
    for name, its in found.gains.items():
        click.echo(
            f"{STEPS[name].title}: two classes {its.binary}, three {its.multiclass}, loss {its.loss:+.3f}"
        )


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
