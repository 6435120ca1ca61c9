"""The runbooks' command lines are those of the chart's objects and of the worker."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from support.chart_values import BASE
from support.helm import CHART

from stream_worker.cli import cli

RUNBOOKS = (CHART / "RUNBOOKS.md").read_text()
BLOCKS = [block.replace("\\\n", " ") for block in re.findall(r"```\n(.*?)```", RUNBOOKS, re.DOTALL)]
LINES = [line for block in BLOCKS for line in block.splitlines()]
RUN_IN_PODS = [
    (words.strip(), "xargs" in part)
    for line in LINES
    for part in line.split("|")
    for words in re.findall(r"-- (stream-worker .+)", part)
]
MENTIONED = [(words, False) for words in re.findall(r"`(stream-worker [^`]+)`", RUNBOOKS)]


def unusable(words: list[str]) -> str | None:
    """Why a command cannot be called so; None if it can."""
    command: click.Command = cli
    context = click.Context(command)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0]) if words else None
        if found is None:
            return f"no command {words[:1]}"
        command, words = found, words[1:]
    try:
        command.make_context(command.name, list(words))
    except click.UsageError as error:
        return error.format_message()
    return None


def test_every_object_that_a_line_names_is_of_the_chart(helm):
    named = set(re.findall(r"(?:deploy|cronjob)/REL\S+", "\n".join(LINES)))
    assert len(named) == 2
    there = {f"{m['kind'].lower()}/{m['metadata']['name']}" for m in helm.render(BASE)}
    assert {one.replace("deploy/", "deployment/").replace("REL", "survey") for one in named} <= there


@pytest.mark.parametrize(("line", "piped"), RUN_IN_PODS + MENTIONED)
def test_every_command_of_the_worker_can_be_called_so(line, piped):
    words = shlex.split(line)[1:]
    assert unusable([*words, "topic/0/1"] if piped else words) is None


def test_nothing_is_run_in_a_workers_pod_that_needs_more_memory_than_it_has_to_spare():
    assert {words.split()[1] for words, _ in RUN_IN_PODS} == {"quarantine"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["quarantine", "redrive"], "SOURCES"),
        (["quarantine", "lst"], "no command"),
        (["balance", "--jsn"], "--jsn"),
    ],
)
def test_a_slip_would_be_found(words, says):
    assert says in unusable(words)
