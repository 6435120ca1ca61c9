"""The ``model-build`` command."""

from __future__ import annotations

from collections.abc import Mapping

import click

from stream_worker.lazy_commands import LazyGroup

_COMMANDS: Mapping[str, tuple[str, str]] = {
    "simulate": ("model_build.season.cli:simulate", "Simulate a season of the survey."),
    "report": ("model_build.cli:report", "Look at a season, or hold it against real light curves."),
    "dataset": (
        "model_build.training_set.cli:dataset",
        "Split, augment and prepare a season's labelled candidates.",
    ),
    "train": ("model_build.training.cli:train", "Train the network on a training set."),
    "evaluate": ("model_build.evaluation.cli:evaluate", "Measure a bundle on simulated seasons: one page."),
    "baselines": (
        "model_build.baselines.cli:baselines",
        "Train and measure simpler classifiers on the same split.",
    ),
    "steps": ("model_build.steps.cli:steps", "Measure what each step of the training gains."),
    "export": ("model_build.bundle_commands:export", "Make a bundle of training runs."),
    "check": ("model_build.bundle_commands:check", "Check that a bundle computes what its network does."),
}


@click.group(
    cls=LazyGroup,
    found_at=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExamples:\n"
    "  model-build simulate --out season\n"
    "  model-build dataset season --out set\n"
    "  model-build train --set set --out run\n"
    "  model-build export run --set set --stream stream --out bundle\n\n"
    "Exit codes: 0 ok, 1 ran and failed, 2 usage.",
)
@click.version_option(package_name="lensnet")
def cli() -> None:
    """LensNet Stream: simulate candidates, train the network, export and check bundles."""


_REPORTS: Mapping[str, tuple[str, str]] = {
    "season": ("model_build.season_report.cli:season", "A season's funnel, labels, examples: one page."),
    "realism": ("model_build.realism.cli:realism", "Simulated against real light curves: one page."),
    "real": ("model_build.real_curves.cli:real", "Score real light curves with a bundle: one page."),
}


@click.group(
    cls=LazyGroup,
    found_at=_REPORTS,
    epilog="\b\nExamples:\n"
    "  model-build report season season\n"
    "  model-build report realism --real KMTNET --archive season\n"
    "  model-build report real --bundle bundle --real REALDATA",
)
def report() -> None:
    """Write self-contained HTML pages about simulated seasons and real light curves."""


def main() -> None:
    """Entry point of the console script."""
    cli(prog_name="model-build")
