"""``stream-worker score`` and ``stream-worker deduplicate``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stream_worker.cli.common import examples, with_settings
from stream_worker.settings import Settings


@click.command(
    epilog=examples(
        "stream-worker score",
        "LENSNET_INFERENCE__PROVIDER=cuda stream-worker score --bundle /models/lensnet",
        "stream-worker score --settings worker.toml",
    )
)
@with_settings
@click.option("--bundle", type=click.Path(path_type=Path), help="Model bundle: a folder or a tar.")
def score(settings: Settings, bundle: Path | None) -> None:
    """Score candidates until stopped: decode, preprocess, infer, publish scores, exactly once."""
    from stream_worker.plans import score_plan
    from stream_worker.worker import run_worker

    if bundle is not None:
        settings = settings.model_copy(update={"bundle": bundle})
    sys.exit(run_worker(score_plan(settings), settings))


@click.command(
    epilog=examples("stream-worker deduplicate", "stream-worker deduplicate --settings worker.toml")
)
@with_settings
def deduplicate(settings: Settings) -> None:
    """Turn scores into alerts until stopped, exactly once."""
    from stream_worker.plans import deduplicate_plan
    from stream_worker.worker import run_worker

    sys.exit(run_worker(deduplicate_plan(settings), settings))
