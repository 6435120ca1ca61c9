"""``model-build dataset``."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from model_build.extras import require_training_libraries
from model_build.progress import progress_on_stderr

_NEEDS = ("pyarrow", "scipy", "threadpoolctl")
_STEPS = {
    "survey": "candidates asked for crops",
    "fit": "candidates in the standardisation",
    "write": "candidates written",
}
_INTERRUPTED = 130
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build simulate --scale train --seed 7 --out season\n"
    "  model-build dataset season --out set                   # split by cluster, six examples per star\n"
    "  model-build dataset season --out star --split star     # siblings of training stars are held out\n"
    "  model-build dataset season --out plain --copies 1 1 1  # no augmentation\n"
    "  model-build dataset season second stream --out set     # trained on two more, none of it held out\n"
    "  model-build dataset season --out set --seed 2 --workers 4 --overwrite --json"
)
@click.argument("season", metavar="SEASON", type=_FOLDER)
@click.argument("further", metavar="[FURTHER]...", nargs=-1, type=_FOLDER)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the new set."
)
@click.option(
    "--split",
    "split_by",
    type=click.Choice(["cluster", "star"]),
    default="cluster",
    show_default=True,
    help="What may not be on two sides.",
)
@click.option(
    "--copies",
    nargs=3,
    type=click.FloatRange(1, 50),
    metavar="YES MAYBE NO",
    help="Examples per star of each class, itself included.  [5.97 6.22 5.89, the paper's]",
)
@click.option(
    "--listings",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Most candidates of a star of a further season, evenly from its first to its last.",
)
@click.option(
    "--mode",
    type=click.Choice(["default", "paper"]),
    default="default",
    show_default=True,
    help="Fluxes scaled by the star, or as they are.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the split and the crops."
)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option("--overwrite", is_flag=True, help="Replace the training set in the folder.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end.")
def dataset(
    *,
    season: Path,
    further: tuple[Path, ...],
    out: Path,
    split_by: str,
    copies: tuple[float, float, float] | None,
    listings: int,
    mode: str,
    seed: int,
    workers: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Split, augment and prepare the labelled candidates of a season; write them as arrays.

    Of each star of the balanced set the candidate at its label's date goes into the set, split 80/10/10
    class by class; then crops of it, at identical times over all sites; and its candidates of the first
    and the last date. Labelled stars outside the balanced set (simulate --scale train) are added to train
    on, unless they have a sibling held out; so are the labelled stars of FURTHER seasons, of other seeds, at
    some of their listings. All are prepared as the worker does and standardised by the
    training stars at their labels' dates and their crops. Writes .npy files and manifest.json with their
    hashes. Equal seasons, options and seeds give equal bytes, whatever the number of workers.
    """
    require_training_libraries(*_NEEDS)
    from model_build.dataset import DatasetError
    from model_build.training_set.build import SetOptions, build_training_set
    from model_build.training_set.folder import FolderInUse
    from model_build.training_set.plan import PAPER_COPIES
    from stream_worker.bundle import CLASSES
    from stream_worker.codec import BadContainer
    from stream_worker.preprocessing import PreprocessingOptions

    options = SetOptions(
        split_by="star" if split_by == "star" else "cluster",
        seed=seed,
        copies=dict(zip(CLASSES, copies, strict=True)) if copies else PAPER_COPIES,
        listings=listings,
        preprocessing=PreprocessingOptions(mode="paper" if mode == "paper" else "default"),
    )
    signal.signal(signal.SIGTERM, _interrupt)
    start = time.monotonic()
    try:
        with progress_on_stderr(_STEPS) as progress:
            manifest = build_training_set(
                season,
                out,
                options,
                further=further,
                workers=workers,
                overwrite=overwrite,
                progress=progress,
            )
    except FolderInUse as error:
        raise click.UsageError(str(error)) from None
    except (DatasetError, BadContainer) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo(f"interrupted: {out} is as it was", err=True)
        sys.exit(_INTERRUPTED)
    _tell(manifest, out, time.monotonic() - start, as_json=as_json)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _tell(manifest: Mapping[str, Any], out: Path, seconds: float, *, as_json: bool) -> None:
    size = sum(path.stat().st_size for path in out.iterdir())
    counts = manifest["counts"]
    if as_json:
        told = {"directory": str(out), "sha256": manifest["content_sha256"], "bytes": size}
        told |= {name: manifest[name] for name in ("split_by", "seed", "class_weights", "further")}
        click.echo(json.dumps(told | counts | {"seconds": round(seconds, 1)}))
        return
    kinds = (
        ("stars", "stars"),
        ("examples", "with crops"),
        ("first", "at their first date"),
        ("last", "at their last date, after their label's"),
    )
    for kind, what in kinds:
        parts = [
            f"{split} {sum(of_class.values())} ({', '.join(f'{n} {name}' for name, n in of_class.items())})"
            for split, of_class in counts[kind].items()
        ]
        click.echo(f"{what}: {', '.join(parts)}")
    others = ", ".join(f"{n} {name}" for name, n in counts["others"].items())
    click.echo(
        f"to train on beside the balanced set: {others}; kept out of it for held-out siblings: "
        f"{counts['others_held_out']}"
    )
    for more in manifest["further"]:
        of_class = ", ".join(f"{n} {name}" for name, n in more["stars"].items())
        click.echo(
            f"to train on from season {more['season']}, seed {more['seed']}: stars {of_class}; "
            f"listings {sum(more['listings'].values())}"
        )
    for by, found in counts["siblings_of_training"].items():
        held_out = ", ".join(f"{n} in {split}" for split, n in found.items())
        click.echo(f"split by {by}: siblings of training stars {held_out}")
    if counts["too_few_observations"]:
        click.echo(f"left out for too few observations: {counts['too_few_observations']} stars")
    click.echo(f"{out}: {size / 1e6:.1f} MB, sha256 {manifest['content_sha256']}, {seconds:.0f} s")
