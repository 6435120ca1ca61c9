"""What rebuild makes of open transactions, and of topics that were given more partitions."""

from __future__ import annotations

import time
from threading import Timer

import pytest
from confluent_kafka.admin import NewPartitions
from support.sky import SPACE, offset_by, sighting
from support.stream import Stream

import stream_worker.rebuild
from stream_worker.kafka.changelog import latest_values
from stream_worker.kafka.clients import admin_client, transactional_producer
from stream_worker.kafka.reading import committed_offsets
from stream_worker.kafka.topics import partition_counts
from stream_worker.local_stream.processes import start_worker, stopping
from stream_worker.neighbours import group_id
from stream_worker.rebuild import RebuildRefused, Rebuilt, rebuild

PATIENCE_S = 240
STARS = 12


def stars(t_cut, delta_chi2=500.0):
    """Stars half a degree apart, each in a sky cell of its own."""
    return [
        sighting(f"S{n:02d}", *offset_by(268.0, -30.0, 1800.0 * n, 0.0), t_cut, delta_chi2, 0.7)
        for n in range(STARS)
    ]


def wait_for(condition, worker):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert worker.process.poll() is None, worker.tail()
        assert time.monotonic() < deadline, worker.tail()
        time.sleep(0.3)


def regroup(stream, tmp_path, done):
    """Let a grouping worker run until it is done."""
    worker, codes = start_worker("deduplicate", stream.environ, tmp_path), []
    with stopping([worker], lambda _name, code: codes.append(code)):
        done(worker)
    assert codes == [0]


def settled(stream):
    return lambda worker: stream.wait(lambda books: books[1].balanced, [worker], PATIENCE_S)


def raise_partitions(stream, topics, partitions):
    admin = admin_client(stream.settings.kafka, "test")
    for future in admin.create_partitions([NewPartitions(topic, partitions) for topic in topics]).values():
        future.result(30)
    deadline = time.monotonic() + PATIENCE_S
    while set(partition_counts(admin, topics).values()) != {partitions}:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def open_transaction(stream, topics, partitions):
    """A producer that has written to every partition of these, and not ended, like a killed worker."""
    kafka = stream.settings.kafka.model_copy(update={"transaction_timeout_ms": 600_000})
    producer = transactional_producer(kafka, f"{stream.settings.topics.scores}-killed", "test", print)
    producer.init_transactions(30)
    producer.begin_transaction()
    for topic in topics:
        for partition in range(partitions):
            producer.produce(topic, b"never seen", partition=partition)
    producer.flush(30)
    return producer


@pytest.mark.timeout(900)
def test_what_lies_behind_an_open_transaction_is_not_announced_again(
    kafka, topic_prefix, tmp_path, monkeypatch
):
    stream = Stream(kafka, topic_prefix, partitions=2)
    topics = stream.settings.topics
    killed = open_transaction(stream, [topics.outcomes, topics.scored], 2)
    records = stream.produce_scores(stars(9300.75))

    def written():
        return len(stream.raw("outcomes", "read_uncommitted")) >= records + 2

    regroup(stream, tmp_path, lambda worker: wait_for(written, worker))
    assert stream.read("outcomes", "outcome") == [], "the transaction must still be open"

    read_all, waits = stream_worker.rebuild.read_all, []

    def read_while_open(*args, **options):
        if not waits:  # the transaction ends while the first topic is read, not before
            waits.append(Timer(2.0, killed.abort_transaction))
            waits[0].start()
        return read_all(*args, **options)

    monkeypatch.setattr(stream_worker.rebuild, "read_all", read_while_open)
    rebuilt = rebuild(stream.settings)
    waits[0].join()
    assert rebuilt == Rebuilt(stars=records, live=STARS, held=0, forgotten=0)


@pytest.mark.timeout(900)
def test_state_follows_its_sky_cells_to_new_partitions(kafka, topic_prefix, tmp_path):
    stream = Stream(kafka, topic_prefix, partitions=2)
    topics = stream.settings.topics
    stream.produce_scores(stars(9300.75))
    regroup(stream, tmp_path, settled(stream))
    before = dict(stream.grouping().stars())

    raise_partitions(stream, [topics.scores], 5)
    with pytest.raises(RebuildRefused, match=rf"{topics.scores} has 5 partitions, {topics.neighbours} has 2"):
        rebuild(stream.settings)
    raise_partitions(stream, [topics.neighbours], 5)
    rebuilt = rebuild(stream.settings)
    assert (rebuilt.live, rebuilt.held, rebuilt.forgotten) == (STARS, 0, 0)
    assert dict(stream.grouping().stars()) == before
    used = {n for n, values in latest_values(stream.settings.kafka, topics.neighbours).items() if values}
    assert used - {0, 1}, "no cell has moved"

    stream.produce_scores(stars(9301.75, delta_chi2=1500.0))
    regroup(stream, tmp_path, settled(stream))
    told = {}
    for alert in sorted(stream.read("scored", "alert"), key=lambda alert: alert["published_at"]):
        told.setdefault(alert["group_id"], []).append(alert["alert_type"])
    assert told == {group_id(SPACE, star.star_id): ["INITIAL", "UPDATE"] for star in stars(9300.75)}
    again = rebuild(stream.settings)
    assert (again.live, again.held, again.forgotten) == (STARS, 0, 0)


def test_records_that_wait_on_a_partition_that_their_cell_has_left_are_no_basis(kafka, topic_prefix):
    stream = Stream(kafka, topic_prefix, partitions=2)
    topics = stream.settings.topics
    stream.produce_scores(stars(9300.75))
    # asked first for its coordinator, which a fresh broker makes only then
    assert committed_offsets(stream.settings.kafka, stream.settings.deduplicate.group_id, topics.scores) == {}
    assert rebuild(stream.settings) == Rebuilt(stars=0, live=0, held=0, forgotten=0)
    raise_partitions(stream, [topics.scores, topics.neighbours], 5)
    refusal = rf"{topics.scores}\[[01]\]@\d+ waits on a partition that its sky cell has left, for \d"
    with pytest.raises(RebuildRefused, match=refusal):
        rebuild(stream.settings)
