"""``model-build report real``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from model_build.extras import require_training_libraries
from model_build.progress import progress_on_stderr

_NEEDS = ("matplotlib", "onnxruntime", "scipy", "pyarrow")


@click.command(
    epilog="\b\nExamples:\n"
    "  model-build report real --bundle stream_worker/bundles/lensnet --real realdata\n"
    "  LENSNET_REALDATA=realdata model-build report real --bundle bundle --out real.html --json"
)
@click.option(
    "--bundle",
    "source",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="Bundle to score with: a folder or a tar.",
)
@click.option(
    "--real",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    envvar="LENSNET_REALDATA",
    show_envvar=True,
    help="Folder of real light curves: kmtnet, ogle-iv-2025, ogle-ii, variables/…, or some of them.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("real.html"),
    show_default=True,
    help="The page; an older one is replaced.",
)
@click.option(
    "--scores", type=click.Path(dir_okay=False, path_type=Path), help="JSON of every star's scores."
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end.")
def real(*, source: Path, folder: Path, out: Path, scores: Path | None, as_json: bool) -> None:
    """Score real light curves that were never trained on: recall of events, false alarms of variables.

    Each is cut as of a date, at which AlertFinder's own criterion decides whether it would have been a
    candidate. Takes a minute or two.
    """
    require_training_libraries(*_NEEDS)
    from model_build.evaluation.streamed import EVENT_THRESHOLDS
    from model_build.real_curves.evaluate import evaluate
    from model_build.real_curves.section import section
    from model_build.realism.faults import BadInput
    from model_build.season.config import load_config
    from stream_worker.bundle import BundleError, load_bundle
    from stream_worker.report_page import page, write_page
    from stream_worker.scoring import ProviderUnavailable, ScorerBroken, ScoringError, open_scorer

    for file in (out, scores):
        if file is not None and not file.parent.is_dir():
            raise click.ClickException(f"{file.parent}: no such folder, {file.name} would go there")
    try:
        scorer = open_scorer(load_bundle(source), provider="cpu", intra_op_threads=1)
        with progress_on_stderr() as progress:
            results = evaluate(folder, scorer, load_config(), progress)
        write_page(out, page("Real light curves", [section(results)]))
        found = results.as_json()
        if scores is not None:
            scores.write_text(json.dumps(found) + "\n", "utf-8")
    except (BundleError, BadInput, ProviderUnavailable, ScorerBroken, ScoringError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror or error}") from error
    del found["cuts"]
    if as_json:
        click.echo(json.dumps(found | {"page": str(out)}))
        return
    for one in results.tallies:
        announced = ", ".join(f"{name} {share}" for name, share in one.among_flagged.items())
        announced += "".join(
            f", p_event {EVENT_THRESHOLDS[name]:g} {share}" for name, share in one.by_p_event.items()
        )
        click.echo(f"{one.group}, {one.when}: {one.flagged} of {one.stars} flagged; announced: {announced}")
    click.echo(f"{out}")
