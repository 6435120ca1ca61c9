"""``stream-worker demo``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from stream_worker.cli import EXIT_FAILED, EXIT_OK
from stream_worker.cli.balance import balance_table
from stream_worker.cli.common import broker_fault, examples, fail, output_console, progress
from stream_worker.cli.tail import alert_table
from stream_worker.settings import SettingsError

_TOP = 12
_DEFAULT = click.core.ParameterSource.DEFAULT


@click.command(
    epilog=examples(
        "stream-worker demo",
        "stream-worker demo --json | tail -1 | jq .balanced",
        "stream-worker demo season/run-*.avro",
    )
)
@click.argument("archives", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--candidates", type=click.IntRange(20), default=300, show_default=True, help="Simulated ones.")
@click.option("--seed", type=click.IntRange(0), default=2021, show_default=True, help="Of the simulation.")
@click.option(
    "--real-event", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of its files."
)
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
@click.pass_context
def demo(
    context: click.Context,
    archives: tuple[Path, ...],
    candidates: int,
    seed: int,
    real_event: Path | None,
    *,
    as_json: bool,
) -> None:
    """Show the whole system on this machine, with the candidates of ARCHIVES or simulated ones.

    Starts a real Kafka (or uses KAFKA_BOOTSTRAP_SERVERS), creates topics, runs both stages as processes,
    ingests the candidates, five bad packets and a real KMTNet event, and accounts for every record.
    Nothing is left running.
    """
    from confluent_kafka import KafkaException

    from stream_worker.bundle import BundleError
    from stream_worker.codec import BadContainer, RegistryUnavailable
    from stream_worker.codec.registry import RegistrationRefusedError
    from stream_worker.demo.real_event import RealEventMissing
    from stream_worker.demo.run import DemoFailed, DemoResult, result_line, run_demo
    from stream_worker.dev_kafka import DevKafkaError
    from stream_worker.kafka.candidate_sink import DeliveryError
    from stream_worker.kafka.topics import TopicCreationError
    from stream_worker.local_stream.processes import ProcessFailed

    given = [name for name in ("candidates", "seed") if context.get_parameter_source(name) != _DEFAULT]
    if archives and given:
        raise click.UsageError(f"ARCHIVES and --{given[0]} exclude each other: nothing is simulated")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with progress("scored or quarantined", None if archives else candidates + 6) as report_to:
            result: DemoResult = run_demo(
                archives=archives,
                candidates=candidates,
                seed=seed,
                real_event=real_event,
                environ=os.environ,
                say=report_to.say,
                progress=report_to.advance,
            )
    except KeyboardInterrupt:
        click.echo("interrupted; nothing is left running", err=True)
        sys.exit(130)
    except KafkaException as error:
        servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or "the address it was started at"
        fail(broker_fault(error, servers, "without KAFKA_BOOTSTRAP_SERVERS the demo starts one"))
    except (
        BadContainer,
        DemoFailed,
        ProcessFailed,
        RealEventMissing,
        DevKafkaError,
        SettingsError,
        TopicCreationError,
        DeliveryError,
        BundleError,
        RegistryUnavailable,
        RegistrationRefusedError,
    ) as error:
        fail(str(error))
    out = output_console()
    alerts = sorted(result.alerts, key=lambda alert: -alert["p_review"])
    out.print(
        alert_table(alerts[:_TOP], f"The {min(_TOP, len(alerts))} most certain of {len(alerts)} alerts")
    )
    for stage in result.books:
        out.print(balance_table(stage))
    event = result.real_event
    out.print(
        f"The real event: p_review {event.p_review:.4f}, {event.outcome}; "
        f"offline score of the same packet differs by {event.offline_difference:.1e}."
    )
    good = result.balanced and sorted(result.books[0].reasons.elements()) == result.expected_reasons
    out.print("Balanced: every record has exactly one outcome." if good else "NOT balanced.", style="bold")
    if as_json:
        click.echo(result_line(result))
    sys.exit(EXIT_OK if good else EXIT_FAILED)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
