"""``model-build report realism``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from model_build.extras import require_training_libraries


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build report realism --real kmtnet --out realism.html\n"
    "  model-build report realism --real kmtnet --archive season --config trial.toml --json"
)
@click.option(
    "--real",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of public KMTNet data: KMT_args.csv, EVENT/KMT*_I.pysis, EVENT/K*I.dat.",
)
@click.option(
    "--season",
    "year",
    type=click.IntRange(2015, 2049),
    help="Season to simulate.  [each file's own: the same Moon and the same nights]",
)
@click.option(
    "--seasons", type=click.IntRange(2, 100), default=12, show_default=True, help="So many weathers."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same report.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Numbers that replace those of season.toml.",
)
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="Keep ephemerides here.")
@click.option(
    "--archive",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Season archive whose detected events are compared with published ones.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("realism.html"),
    show_default=True,
    help="The page.",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end.")
def realism(
    *,
    folder: Path,
    year: int | None,
    seasons: int,
    seed: int,
    config_file: Path | None,
    cache: Path | None,
    archive: Path | None,
    out: Path,
    as_json: bool,
) -> None:
    """Compare simulated quiet stars and events with real KMTNet data, on one HTML page.

    Noise, conditions and cadence of quiet stars, a classifier that tells real windows from simulated
    ones, and the detected events of a season archive against published ones.
    """
    require_training_libraries("astropy", "matplotlib", "pyarrow", "sklearn", "VBMicrolensing")
    from model_build.realism.faults import BadInput
    from model_build.realism.measure import RealismPlan, measure
    from model_build.realism.report import realism_page
    from model_build.season.config import ConfigError, load_config
    from stream_worker.report_page import write_page

    try:
        plan = RealismPlan(folder, load_config(config_file), year, seasons, seed, cache, archive)
        found = measure(plan, lambda text: click.echo(text, err=True))
    except (BadInput, ConfigError) as error:
        raise click.ClickException(str(error)) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    write_page(out, realism_page(found))
    summary = found.summary() | {"page": str(out)}
    if as_json:
        click.echo(json.dumps(summary))
        return
    for one in found.tellings:
        controls = f"controls {min(one.controls):.2f} to {max(one.controls):.2f}"
        what = f"windows {one.windows}, features {one.features}, {one.grouping}"
        click.echo(f"{what}: AUC {one.auc:.3f} ({one.low:.3f} to {one.high:.3f}; {controls})")
    click.echo(f"{out}")
