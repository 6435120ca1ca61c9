"""A group of commands that are imported when they are called: ``--help`` stays quick, extras optional."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A click group of commands found by name.

    Parameters
    ----------
    found_at
        For each command ``"module:attribute"`` and its line of help, in the order of ``--help``.
    """

    def __init__(self, *, found_at: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(**options)
        self._found_at = found_at

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order given."""
        return list(self._found_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command; None if there is none of that name."""
        if cmd_name not in self._found_at:
            return None
        module, attribute = self._found_at[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the lines of help without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._found_at.items()])
