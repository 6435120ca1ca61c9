"""``--help`` of every command and group of both programs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from model_build.cli import cli as model_build
from model_build.season.sizes import NAMED_SIZES
from stream_worker.cli import cli as stream_worker

PROGRAMS = {"stream-worker": stream_worker, "model-build": model_build}


def commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words by which a command and all below it are called."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*path, name))


ALL = [path for name, program in PROGRAMS.items() for path in commands(program, (name,))]


def shown(path: tuple[str, ...]) -> str:
    done = CliRunner().invoke(PROGRAMS[path[0]], [*path[1:], "--help"], prog_name=path[0])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_walk_finds_groups_and_what_is_in_them():
    assert {("stream-worker",), ("stream-worker", "replay", "diff"), ("model-build", "report")} < set(ALL)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_has_examples(path):
    usage = re.match(r"Usage: ([a-z -]+?) [A-Z\[]", shown(path))
    assert usage is not None
    examples = shown(path).partition("\n  Examples:\n")[2]
    assert f"    {usage[1]} " in examples


def test_every_named_size_of_a_season_is_in_the_help():
    words = re.findall(r"[a-z]+", shown(("model-build", "simulate")))
    assert set(NAMED_SIZES) <= set(words)
    scale = " ".join(
        shown(("model-build", "simulate")).partition("--scale")[2].partition("--candidates")[0].split()
    )
    assert all(f"{name} (" in scale for name in NAMED_SIZES), scale
