"""Libraries that come with the ``train`` extra only."""

from __future__ import annotations

from importlib.util import find_spec

import click

from stream_worker.extras import install_hint


def require_training_libraries(*modules: str) -> None:
    """Stop a command whose modules are not installed.

    Raises
    ------
    click.UsageError
        Names those missing and how to install them.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise click.UsageError(
            f"{', '.join(missing)} not installed; this command needs the training libraries; "
            + install_hint("cpu,train")
        )
