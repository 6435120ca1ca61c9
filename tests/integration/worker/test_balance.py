"""The balance against open transactions, retention and junk on a real broker; outcomes are hand-made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from support.stream import Stream

from stream_worker.balance import balance_stages
from stream_worker.framing import single_object
from stream_worker.kafka.clients import (
    admin_client,
    group_consumer,
    idempotent_producer,
    transactional_producer,
)
from stream_worker.kafka.consumer import GroupSource
from stream_worker.kafka.records import OutputRecord, SourceRecord
from stream_worker.local_stream.processes import start_worker, stopping
from stream_worker.outcome import OutcomeKind, outcome_record
from stream_worker.outputs import OutputWriter
from stream_worker.settings import LoopSettings


@pytest.fixture
def stream(kafka: str, topic_prefix: str) -> Stream:
    return Stream(kafka, topic_prefix, partitions=1)


def outcome_of(stream: Stream, offset: int) -> OutputRecord:
    return outcome_record(
        OutputWriter(single_object),
        stream.settings.topics.outcomes,
        stage="score",
        source=SourceRecord(stream.settings.topics.candidates, 0, offset, None, b""),
        outcome=OutcomeKind.SCORED,
        settings_hash="0",
        time_ms=int(time.time() * 1000),
    )


def write_outcomes(stream: Stream, producer: Producer, offsets: Iterator[int] | range) -> None:
    for offset in offsets:
        record = outcome_of(stream, offset)
        producer.produce(record.topic, record.value, record.key)
    producer.flush(30)


def transaction(stream: Stream, name: str) -> Producer:
    producer = transactional_producer(
        stream.settings.kafka, f"{stream.settings.topics.outcomes}-{name}", name, lambda _: None
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    return producer


def commit_with_offset(stream: Stream, producer: Producer, offset: int) -> None:
    """Commit the transaction together with the score stage's offset."""
    group = stream.settings.score.group_id
    consumer = group_consumer(
        stream.settings.kafka, group, "test", on_error=lambda _: None, on_statistics=lambda _: None
    )
    position = TopicPartition(stream.settings.topics.candidates, 0, offset)
    try:
        producer.send_offsets_to_transaction([position], consumer.consumer_group_metadata(), 30)
        producer.commit_transaction(30)
    finally:
        consumer.close()


def processed(stream: Stream, n: int) -> None:
    """Write ``n`` source records with their outcomes and the committed offset, as the score stage does."""
    stream.produce_raw([b"packet"] * n)
    producer = transaction(stream, "stage")
    write_outcomes(stream, producer, range(n))
    commit_with_offset(stream, producer, n)


def trim(stream: Stream, topic: str, offset: int) -> None:
    admin = admin_client(stream.settings.kafka, "test")
    for future in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        future.result(30)


def command(stream: Stream, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stream_worker", *words],
        env={"PATH": os.environ["PATH"], "HOME": str(Path.home()), **stream.environ},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.parametrize("ending", ["commit_transaction", "abort_transaction"])
def test_nothing_is_missing_behind_a_foreign_open_transaction(stream, ending):
    foreign = transaction(stream, "foreign")
    write_outcomes(stream, foreign, range(1000, 1001))
    processed(stream, 5)
    with ThreadPoolExecutor(1) as pool:
        balancing = pool.submit(balance_stages, stream.settings)
        time.sleep(3)
        assert not balancing.done()
        getattr(foreign, ending)(30)
        score = balancing.result(60)[0]
    assert score.missing == []
    assert score.outcomes["SCORED"] == (6 if ending == "commit_transaction" else 5)
    assert score.unknown == ([(0, 1000)] if ending == "commit_transaction" else [])


def test_a_transaction_that_stays_open_is_named(stream):
    foreign = transaction(stream, "foreign")
    write_outcomes(stream, foreign, range(1))
    with pytest.raises(KafkaException, match=r"transaction is still open after 2 s at .*outcomes\[0\]@0"):
        balance_stages(stream.settings, timeout_s=2)
    foreign.abort_transaction(30)
    assert all(stage.balanced for stage in stream.books())


def test_outcomes_of_trimmed_source_records_are_expired(stream):
    processed(stream, 5)
    trim(stream, stream.settings.topics.candidates, 3)
    score = stream.books()[0]
    assert score.balanced
    assert score.expired == 3
    assert score.complete_since is None


def test_records_dropped_before_they_were_read_are_lost_until_the_worker_has_gone_on(stream, tmp_path):
    topic = stream.settings.topics.candidates
    processed(stream, 5)
    stream.produce_raw([b"packet"] * 7)
    trim(stream, topic, 9)
    shown = command(stream, "balance", "--json")
    summary = json.loads(shown.stdout)
    assert shown.returncode == 1, shown.stdout
    assert (summary["balanced"], summary["clean"]) == (False, False)
    assert summary["stages"][0]["lost"] == [[0, 5, 8]]
    told = command(stream, "balance")
    assert told.returncode == 1
    assert f"lost: {topic}[0]@5 to 8: dropped before they were read" in told.stdout
    worker = start_worker("score", stream.environ, tmp_path)
    with stopping([worker], lambda *_: None):
        # nobody can tell any more, once the group has gone on
        stream.wait(lambda books: not (books[0].waiting or books[0].lost), [worker], 60)
    logged = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    (line,) = [line for line in logged if line["level"] == "error"]
    assert line["event"] == "records lost to retention"
    assert (line["topic"], line["partition"], line["first"], line["last"]) == (topic, 0, 5, 8)


def test_records_dropped_while_a_worker_is_behind_are_told_and_it_goes_on(stream):
    topic = stream.settings.topics.candidates
    stream.produce_raw([b"packet"] * 10)
    lost = []
    monitor = Mock(records_lost=lambda *told: lost.append(told))
    consumer = group_consumer(
        stream.settings.kafka, "behind", "test", on_error=lambda *_: None, on_statistics=lambda _: None
    )
    source = GroupSource(consumer, topic, LoopSettings(max_records=4), monitor, offsets_timeout_s=30)
    try:
        batch = _polled(source)
        assert [record.offset for record in batch.records] == [0, 1, 2, 3]
        trim(stream, topic, 8)
        source.rewind(batch)
        batch = _polled(source)
    finally:
        source.close()
    assert [record.offset for record in batch.records] == [8, 9]
    assert batch.next_offsets == {(topic, 0): 10}
    assert lost == [(topic, 8)]


def _polled(source):
    for _ in range(60):
        if (batch := source.poll_batch()) is not None:
            return batch
    pytest.fail("no records in 60 polls")


@pytest.mark.parametrize("kept", [2, 0])
def test_source_records_older_than_the_kept_outcomes_are_not_missing(stream, kept):
    processed(stream, 5)
    trim(stream, stream.settings.topics.outcomes, 5 - kept if kept else -1)
    score = stream.books()[0]
    assert score.outcomes["SCORED"] == kept
    assert score.balanced
    assert score.complete_since is not None
    shown = command(stream, "balance")
    assert shown.returncode == 0, shown.stderr
    assert "complete since" in shown.stdout


def test_a_missing_outcome_younger_than_the_kept_ones_is_found(stream):
    processed(stream, 5)
    trim(stream, stream.settings.topics.outcomes, 3)
    time.sleep(0.05)
    stream.produce_raw([b"packet"])
    commit_with_offset(stream, transaction(stream, "stage"), 6)
    assert stream.books()[0].missing == [(0, 5)]


def test_waiting_records_fail_only_where_all_is_to_be_settled(stream):
    processed(stream, 2)
    stream.produce_raw([b"packet"])
    shown = command(stream, "balance", "--json")
    summary = json.loads(shown.stdout)
    assert shown.returncode == 0, shown.stderr
    assert (summary["balanced"], summary["clean"], summary["stages"][0]["waiting"]) == (False, True, 1)
    assert command(stream, "balance", "--settled").returncode == 1


def test_junk_on_the_outcomes_is_skipped_with_a_notice(stream):
    topic = stream.settings.topics.outcomes
    junk = idempotent_producer(stream.settings.kafka, "test")
    junk.produce(topic, b"junk")
    junk.flush(30)
    processed(stream, 2)
    shown = command(stream, "balance", "--settled")
    assert shown.returncode == 0, shown.stderr
    assert f"skipped {topic}[0]@0: not_framed" in shown.stderr
    assert "1 records could not be decoded" in shown.stderr


def test_junk_among_the_alerts_does_not_end_tail(stream):
    topic = stream.settings.topics.scored
    junk = idempotent_producer(stream.settings.kafka, "test")
    junk.produce(topic, b"junk")
    junk.produce(topic, None, b"tombstone")
    junk.flush(30)
    shown = command(stream, "tail", "--from-beginning", "--idle-exit", "2")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.split()[:3] == ["type", "star", "RA"]
    assert f"skipped {topic}[0]@0: not_framed" in shown.stderr
    assert f"skipped {topic}[0]@1: no_value" in shown.stderr
    assert "2 records could not be decoded" in shown.stderr
