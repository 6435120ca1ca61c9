"""``stream-worker benchmark``."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from stream_worker.cli.common import broker_errors, examples, fail, output_console, with_settings
from stream_worker.settings import Settings

if TYPE_CHECKING:
    from stream_worker.candidate import Candidate

_SEED = 1
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog=examples(
        "stream-worker benchmark",
        "stream-worker benchmark season/run-*.avro --json",
        "LENSNET_INFERENCE__INTRA_OP_THREADS=1 stream-worker benchmark --no-broker",
    )
)
@with_settings
@click.argument("archives", nargs=-1, type=_FILE)
@click.option("--candidates", type=click.IntRange(50), default=1000, show_default=True, help="How many.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="The best one counts.")
@click.option("--broker/--no-broker", default=True, show_default=True, help="End to end through Kafka.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def benchmark(
    settings: Settings,
    archives: tuple[Path, ...],
    candidates: int,
    rounds: int,
    *,
    broker: bool,
    as_json: bool,
) -> None:
    """Measure rates on ARCHIVES (or on a new simulation) and through a real broker.

    The broker is the one that settings, KAFKA_BOOTSTRAP_SERVERS or --bootstrap-servers name, with topics of
    its own that are deleted afterwards; without a name one is started.

    Machines are shared and noisy: compare the ratios within one run, not rates of different runs.
    """
    from stream_worker.benchmarking import TooQuick, measure
    from stream_worker.codec import BadContainer
    from stream_worker.dev_kafka import DevKafkaError
    from stream_worker.kafka.candidate_sink import DeliveryError
    from stream_worker.kafka.topics import TopicCreationError
    from stream_worker.local_stream.processes import ProcessFailed

    console = Console(stderr=True, highlight=False)
    try:
        loaded = _load(archives, candidates) if archives else _simulate(candidates, console)
        with broker_errors(settings):
            rates = measure(settings, loaded, rounds=rounds, broker=broker, say=console.print)
    except (BadContainer, TooQuick, ProcessFailed, DevKafkaError, TopicCreationError, DeliveryError) as error:
        fail(str(error))
    if as_json:
        click.echo(json.dumps(rates.as_json()))
        return
    table = Table("", "", title="candidates per second")
    for name, value in rates.as_json().items():
        table.add_row(name, str(value))
    output_console().print(table)


def _load(files: Sequence[Path], at_most: int) -> list[Candidate]:
    from stream_worker.codec import read_candidates

    return [candidate for file in files for candidate in read_candidates(file)][:at_most]


def _simulate(candidates: int, console: Console) -> list[Candidate]:
    from stream_worker.local_stream.simulation import simulation

    console.print(f"simulating {candidates} candidates")
    with (
        tempfile.TemporaryDirectory(prefix="lensnet-benchmark-") as folder,
        simulation(candidates, _SEED, Path(folder)) as simulated,
    ):
        return _load(simulated(), candidates)
