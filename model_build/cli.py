"""The ``model-build`` command."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

_COMMANDS: Mapping[str, tuple[str, str]] = {
    "simulate": ("model_build.simulator.cli:simulate", "Simulate a season's candidates with their truth."),
    "train": ("model_build.commands:train", "Train the network on labelled candidates, write a bundle."),
    "export": ("model_build.commands:export", "Export a bundle's network anew, also as a tar."),
    "check": ("model_build.commands:check", "Check that a bundle computes what its network does."),
}


class _LazyGroup(click.Group):
    """Imports a command only when it is called: most need TensorFlow, ``simulate`` and ``--help`` don't."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 ran and failed, 2 usage.",
)
@click.version_option(package_name="lensnet")
def cli() -> None:
    """LensNet Stream: simulate candidates, train the network, export and check bundles."""


def main() -> None:
    """Entry point of the console script."""
    cli(prog_name="model-build")
