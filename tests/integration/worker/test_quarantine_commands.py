"""``quarantine list``, ``show`` and ``redrive`` on a real broker; the quarantined packets are hand-made."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.stream import Stream

from stream_worker.framing import single_object
from stream_worker.kafka.clients import idempotent_producer
from stream_worker.kafka.records import SourceRecord
from stream_worker.outputs import OutputWriter
from stream_worker.quarantine import Quarantine

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent


@pytest.fixture
def stream(kafka: str, topic_prefix: str) -> Stream:
    return Stream(kafka, topic_prefix, partitions=1)


def quarantine(stream: Stream, topic: str, offset: int, raw: bytes, reason: str = "not_framed") -> str:
    """Quarantine ``raw``, and give it as the commands name it."""
    keeper = Quarantine(
        OutputWriter(single_object), stream.settings.topics.quarantine, "score", "test", "0", raw_limit=1000
    )
    source = SourceRecord(topic, 0, offset, b"star", raw, (("trace-id", b"t"),))
    record = keeper.record(source, reason, "as it is", time_ms=1_700_000_000_000)
    send(stream, record.value, record.key)
    return f"{topic}/0/{offset}"


def send(stream: Stream, value: bytes, key: bytes | None = None) -> None:
    producer = idempotent_producer(stream.settings.kafka, "test")
    producer.produce(stream.settings.topics.quarantine, value, key)
    assert producer.flush(30) == 0


def command(stream: Stream, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stream_worker", "quarantine", *words],
        env={"PATH": os.environ["PATH"], "HOME": str(Path.home()), **stream.environ, **environ},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_packets_are_sent_again_once_each(stream):
    candidates = stream.settings.topics.candidates
    sources = [quarantine(stream, candidates, n, b"packet %d" % n) for n in range(3)]
    one_at_a_time = {"LENSNET_KAFKA__PRODUCER_PROPERTIES__QUEUE_BUFFERING_MAX_MESSAGES": "1"}
    done = command(stream, "redrive", sources[2], sources[0], sources[2], **one_at_a_time)
    assert done.returncode == 0, done.stderr
    assert "2 packets sent again" in done.stdout
    assert sorted(stream.raw("candidates")) == [b"packet 0", b"packet 2"]


@pytest.mark.skipif(not shutil.which("jq"), reason="no jq on the PATH")
def test_the_runbooks_line_sends_all_of_one_reason_again(stream):
    candidates = stream.settings.topics.candidates
    for n in range(3):
        quarantine(stream, candidates, n, b"packet %d" % n)
    quarantine(stream, candidates, 3, bytes(1001))  # only its beginning is kept
    quarantine(stream, candidates, 4, b"another", "unknown_schema")
    runbook = (ROOT / "helm" / "RUNBOOKS.md").read_text().partition("## LensNetQuarantineRate")[2]
    line = runbook.split("```")[1].replace("REASON", "not_framed")
    here = re.sub(r"kubectl \S+ NS exec \S+ --", "", line).replace("stream-worker", f"{BIN}/stream-worker")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", here],
        env={**os.environ, **stream.environ},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "3 packets sent again" in done.stdout
    assert sorted(stream.raw("candidates")) == [b"packet 0", b"packet 1", b"packet 2"]


def test_an_undelivered_packet_is_a_failure_with_its_reason(stream):
    lost = quarantine(stream, f"{stream.settings.topics.candidates}-gone", 7, b"packet")
    sent = quarantine(stream, stream.settings.topics.candidates, 8, b"packet")
    soon = {"LENSNET_KAFKA__PRODUCER_PROPERTIES__TOPIC_METADATA_PROPAGATION_MAX_MS": "1000"}
    done = command(stream, "redrive", lost, sent, **soon)
    assert done.returncode == 1
    assert "sent again" not in done.stdout
    assert "1 of 2 packets not sent again" in done.stderr
    assert f"{lost}: " in done.stderr
    assert "UNKNOWN_TOPIC" in done.stderr
    assert stream.raw("candidates") == [b"packet"]


def test_unknown_sources_are_listed_together_and_nothing_is_sent(stream):
    known = quarantine(stream, stream.settings.topics.candidates, 0, b"packet")
    done = command(stream, "redrive", "no/0/1", known, "no/0/2")
    assert done.returncode == 1
    assert "no/0/1, no/0/2" in done.stderr
    assert known not in done.stderr
    assert stream.raw("candidates") == []


def test_incomplete_packets_are_refused(stream):
    source = quarantine(stream, stream.settings.topics.candidates, 0, bytes(1001))
    done = command(stream, "redrive", source)
    assert done.returncode == 1
    assert "only a prefix" in done.stderr
    assert stream.raw("candidates") == []


def test_junk_in_the_quarantine_is_skipped_with_a_notice(stream):
    send(stream, b"junk")
    source = quarantine(stream, stream.settings.topics.candidates, 4, b"packet")
    listed = command(stream, "list", "--json")
    assert listed.returncode == 0, listed.stderr
    (entry,) = [json.loads(line) for line in listed.stdout.splitlines()]
    assert (entry["offset"], entry["headers"]) == (4, {"trace-id": "t"})
    assert f"skipped {stream.settings.topics.quarantine}[0]@0: not_framed" in listed.stderr
    table = command(stream, "list")
    assert "not_framed" in table.stdout
    assert command(stream, "show", source).returncode == 0
