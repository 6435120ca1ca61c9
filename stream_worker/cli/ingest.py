"""``stream-worker ingest``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from stream_worker.candidate import Candidate, Tense
from stream_worker.cli import EXIT_FAILED, EXIT_OK
from stream_worker.cli.common import broker_errors, examples, fail, progress, with_settings
from stream_worker.ingest.parameters import DEC, HJD, NAME, RA
from stream_worker.ingest.sink import CandidateSink
from stream_worker.settings import Settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FIRST_ANSWER_S = 10.0
_TENSES = click.Choice([tense.value for tense in Tense])


@click.group(
    epilog=examples(
        "stream-worker ingest pysis KMT*_I.pysis --star-id BLG14M0101.000001 --ra 264.6 --dec -28.4",
        "stream-worker ingest archive season/run-*.avro",
    )
)
def ingest() -> None:
    """Produce candidates."""


@ingest.command(
    epilog=examples(
        "stream-worker ingest pysis KMT*_I.pysis --star-id BLG14M0101.000001 --ra 264.6 --dec -28.4",
        "stream-worker ingest pysis *.pysis --star-id X --ra 264.6 --dec -28.4 --t-cut 8210 --tense TEST",
        "stream-worker ingest pysis *.pysis --star-id X --ra 17:38:24 --dec -28:24:00 --out candidate.avro",
    )
)
@with_settings
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--star-id", type=NAME, required=True, help="Catalogue star.")
@click.option("--ra", type=RA, required=True, help="Right ascension: degrees, or hh:mm:ss.")
@click.option("--dec", type=DEC, required=True, help="Declination: degrees, or dd:mm:ss.")
@click.option("--t-cut", type=HJD, help="Use data up to this HJD (with or without 2450000). [newest point]")
@click.option(
    "--tense",
    type=_TENSES,
    default=Tense.CURRENT.value,
    show_default=True,
    help="CURRENT is acted on as live: give old data another.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write an archive, don't produce."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def pysis(
    settings: Settings,
    files: tuple[Path, ...],
    star_id: str,
    ra: float,
    dec: float,
    t_cut: float | None,
    tense: str,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Make one candidate of a star's KMTNet pySIS FILES, as they are, and produce it.

    Site, field and band come from the names (KMTA12_I.pysis); the V band is left out. A malformed file is
    named with line, column and value, and the others still go through (exit code 1).
    """
    from stream_worker.ingest.build import Star
    from stream_worker.ingest.report import pysis_json, pysis_text
    from stream_worker.ingest.run import run_ingest_pysis
    from stream_worker.plans import candidate_encoder
    from stream_worker.worker import now_ms

    encode = candidate_encoder(settings)
    with _sink(settings, out) as sink:
        report = run_ingest_pysis(
            files,
            Star(star_id, ra, dec),
            sink,
            encode=encode,
            now_ms=now_ms(),
            t_cut=t_cut,
            tense=Tense(tense),
        )
    click.echo(json.dumps(pysis_json(report)) if as_json else pysis_text(report, out))
    if report.candidate is not None:
        _warn_of_old_data(report.candidate, settings)
    sys.exit(EXIT_OK if report.ok else EXIT_FAILED)


@ingest.command(epilog=examples("stream-worker ingest archive season/run-*.avro"))
@with_settings
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def archive(settings: Settings, files: tuple[Path, ...], *, as_json: bool) -> None:
    """Produce every candidate of Avro container FILES, in order."""
    from stream_worker.ingest.report import archive_json, archive_text
    from stream_worker.ingest.run import run_ingest_archive
    from stream_worker.plans import candidate_encoder

    encode = candidate_encoder(settings)
    with _sink(settings, None) as sink, progress("ingesting") as report_to:
        report = run_ingest_archive(files, sink, encode=encode, progress=report_to.advance)
    click.echo(json.dumps(archive_json(report)) if as_json else archive_text(report))
    sys.exit(EXIT_OK if report.ok else EXIT_FAILED)


def _warn_of_old_data(candidate: Candidate, settings: Settings) -> None:
    """Warn where a candidate is told as live although alerts of such data are stale."""
    from stream_worker.score_record import data_age

    age = data_age(candidate.produced_at, candidate.alertfinder.t_cut, settings.rules)
    if age["stale"] and candidate.tense is Tense.CURRENT:
        click.echo(
            f"Warning: t_cut of {candidate.star_id} is {age['data_age_days']:.1f} d behind the clock, but its"
            " tense is CURRENT: subscribers take it as live. Old data go with --tense TEST or ARCHIVAL",
            err=True,
        )


class _ArchiveSink:
    """Collects candidates and writes them to one container file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._candidates: list[Candidate] = []

    def send(self, candidate: Candidate, packet: bytes) -> None:  # noqa: ARG002 - the container has its own framing
        """Keep a candidate."""
        self._candidates.append(candidate)

    def flush(self) -> None:
        """Write the file; exits with 1 where it can't be written."""
        from stream_worker.codec import write_candidates

        try:
            write_candidates(self._path, self._candidates)
        except OSError as error:
            fail(f"{self._path}: {error.strerror}")


@contextmanager
def _sink(settings: Settings, out: Path | None) -> Iterator[CandidateSink]:
    from stream_worker.kafka.candidate_sink import DeliveryError, KafkaCandidateSink
    from stream_worker.kafka.clients import idempotent_producer
    from stream_worker.telemetry.tracing import ingest_headers, open_tracing

    if out is not None:
        yield _ArchiveSink(out)
        return
    producer = idempotent_producer(settings.kafka, "lensnet-ingest")
    with broker_errors(settings):
        producer.list_topics(timeout=_FIRST_ANSWER_S)
    try:
        with open_tracing(settings.tracing, "lensnet-ingest") as tracing:
            yield KafkaCandidateSink(
                producer,
                settings.topics.candidates,
                more_headers=lambda candidate: ingest_headers(tracing, candidate.candidate_id),
            )
    except DeliveryError as error:
        fail(f"{error} (broker {settings.kafka.bootstrap_servers})")
