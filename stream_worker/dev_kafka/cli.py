"""``python -m stream_worker.dev_kafka``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import NoReturn

from stream_worker.dev_kafka import background
from stream_worker.dev_kafka.errors import DevKafkaError
from stream_worker.dev_kafka.jars import fetch_jars
from stream_worker.dev_kafka.node import ENVIRONMENT_VARIABLE
from stream_worker.dev_kafka.readiness import answers
from stream_worker.dev_kafka.running import Terminated, run

_EXAMPLES = """\
examples:
  python -m stream_worker.dev_kafka run -- pytest tests/integration
  export $(python -m stream_worker.dev_kafka up)
  python -m stream_worker.dev_kafka status
  python -m stream_worker.dev_kafka down

Needs Java 17 or newer and, the first time, Maven. Kafka's jars are kept in $XDG_CACHE_HOME/lensnet
(~/.cache/lensnet); a node's data and log are in a temporary folder ($TMPDIR) and go with it.
"""


def main(arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> int:
    """Run one command and return its exit code: 1 if Kafka cannot be had, 2 for wrong usage."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    parsed = _parser().parse_args(arguments)
    try:
        return _do(parsed, env)
    except DevKafkaError as error:
        _say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _do(parsed: argparse.Namespace, env: Mapping[str, str]) -> int:
    match parsed.what:
        case "up":
            sys.stdout.write(f"{ENVIRONMENT_VARIABLE}={background.up(env, _say).bootstrap_servers}\n")
        case "down":
            background.down(env, _say)
        case "status":
            return _status(env)
        case "fetch":
            sys.stdout.write(f"{fetch_jars(env, _say)}\n")
        case "run":
            return run(parsed.command, env, _say)
    return 0


def _status(env: Mapping[str, str]) -> int:
    node = background.find(env)
    if node is None:
        _say("no Kafka is running in the background")
        return 1
    log = f"{node.folder}/server.log"
    if not node.alive:
        _say(f"Kafka (process {node.pid}) has died; its log: {log}")
        return 1
    if not answers(node.bootstrap_servers, timeout_s=5):
        _say(
            f"Kafka (process {node.pid}) runs but does not answer at {node.bootstrap_servers}; its log: {log}"
        )
        return 1
    _say(f"Kafka is running (process {node.pid}); its log: {log}")
    sys.stdout.write(f"{ENVIRONMENT_VARIABLE}={node.bootstrap_servers}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stream_worker.dev_kafka",
        description="A real single-node Apache Kafka for demo, tests and benchmarks. Not for production.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    commands.add_parser(
        "up",
        help="start a node in the background and print KAFKA_BOOTSTRAP_SERVERS=… (one per user and machine)",
    )
    commands.add_parser("down", help="stop that node and remove its data")
    commands.add_parser("status", help="say whether that node runs and answers (exit code 0) or not (1)")
    commands.add_parser("fetch", help="only fetch Kafka's jars, and print their folder")
    run_parser = commands.add_parser(
        "run",
        help="start a node, run a command, stop the node; exits with the command's code",
        description="Runs a command with KAFKA_BOOTSTRAP_SERVERS set to a node that ends with it. "
        "If KAFKA_BOOTSTRAP_SERVERS is set already, that Kafka is used and none is started.",
        epilog="example: python -m stream_worker.dev_kafka run -- pytest tests/integration",
    )
    run_parser.add_argument("command", nargs="+", metavar="-- CMD", help="the command and its arguments")
    return parser


def _say(line: str) -> None:
    sys.stderr.write(f"dev_kafka: {line}\n")
    sys.stderr.flush()


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated(128 + number)
