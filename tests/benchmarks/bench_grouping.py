"""Grouping with 100,000 stars in memory: bytes, microseconds a candidate, and seconds to restore them.

Run as ``PYTHONPATH=tests python tests/benchmarks/bench_grouping.py``; it starts a broker of its own unless
KAFKA_BOOTSTRAP_SERVERS names one.
"""

from __future__ import annotations

import os
import time
import tracemalloc
import uuid
import zlib

import numpy as np
from support.scores import SCORE, score_of
from support.sky import SPACE, sighting
from support.stream import Stream

from stream_worker.changelog import changelog_record, stored_star
from stream_worker.codec import encode
from stream_worker.dev_kafka import dev_kafka
from stream_worker.framing import single_object
from stream_worker.kafka.changelog import latest_values
from stream_worker.kafka.clients import idempotent_producer
from stream_worker.neighbours import Grouping, GroupingRules, arrival_of
from stream_worker.outputs import OutputWriter
from stream_worker.plans import record_decoder
from stream_worker.sky import SkyCells

STARS = 100_000
PARTITIONS = 12
NOW = 1_900_000_000_000


def sky(n, ghosts):
    """Stars on 96 square degrees, ``ghosts`` of each ten beside another."""
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(262, 273, n), rng.uniform(-35, -25, n)
    for i in range(1, n):
        if i % 10 < ghosts:
            ra[i], dec[i] = ra[i - 1] + rng.normal(0, 0.001), dec[i - 1] + rng.normal(0, 0.001)
    return [
        sighting(f"BLG11M{i:010d}", ra[i], dec[i], 9300.75, float(rng.uniform(50, 900)), 0.6)
        for i in range(n)
    ]


def arrivals(sightings):
    homes = SkyCells(20).cells(np.array([s.ra for s in sightings]), np.array([s.dec for s in sightings]))
    for offset, (seen, (home, *_)) in enumerate(zip(sightings, homes, strict=True)):
        score = score_of(seen, home, home, SPACE)
        packet = single_object(SCORE, encode(SCORE, score))
        yield arrival_of(score, offset, body=zlib.compress(packet))


def fill(grouping, listed):
    for n, arrival in enumerate(listed):
        grouping.take(arrival, NOW)
        if n % 256 == 255:
            grouping.release()
            grouping.commit()
    grouping.release()
    grouping.commit()


def measure(n, ghosts):
    listed = list(arrivals(sky(n, ghosts)))
    grouping = Grouping(GroupingRules())
    began = time.process_time()
    fill(grouping, listed)
    cpu = (time.process_time() - began) / n
    live = sum(s.published is not None and s.published.live for _, s in grouping.stars())
    return grouping, cpu, live


def in_memory(grouping, n):
    """Bytes of a copy of the state."""
    stored = [(key, repr(key), star) for key, star in grouping.stars()]
    tracemalloc.start()
    copy = Grouping(GroupingRules())
    for key, _, star in stored:
        again = type(star)(
            str(star.star_id + " ")[:-1],
            star.home,
            star.ra + 0.0,
            star.dec + 0.0,
            bytes(bytearray(star.history)),
            None
            if star.published is None
            else type(star.published)(
                star.published.live,
                star.published.revision,
                star.published.p_review + 0.0,
                star.published.delta_chi2 + 0.0,
                star.published.crowded,
                star.published.by_operator,
                bytes(bytearray(star.published.body)),
            ),
        )
        copy.load(key._replace(star_id=again.star_id), again, NOW)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size / 1e6


def restore(bootstrap, grouping):
    stream = Stream(bootstrap, f"bench-{uuid.uuid4().hex[:8]}-", partitions=PARTITIONS)
    topic, writer = stream.settings.topics.neighbours, OutputWriter(single_object)
    producer = idempotent_producer(stream.settings.kafka, "bench")
    for key, star in grouping.stars():
        record = changelog_record(writer, topic, key.cell % PARTITIONS, key, star)
        while True:
            try:
                producer.produce(topic, record.value, record.key, record.partition)
            except BufferError:
                producer.poll(0.1)
            else:
                break
    producer.flush()
    decode = record_decoder(stream.settings, "neighbour")
    began, cpu = time.perf_counter(), time.process_time()
    values = latest_values(stream.settings.kafka, topic)
    read = time.perf_counter() - began
    again = Grouping(GroupingRules())
    for partition in values.values():
        for value in partition.values():
            again.load(*stored_star(decode(value)), NOW)
    total = time.perf_counter() - began
    assert dict(again.stars()) == dict(grouping.stars())
    return read, total, time.process_time() - cpu


def main():
    n = int(os.environ.get("STARS", STARS))
    for ghosts in (0, 5):
        grouping, cpu, live = measure(n, ghosts)
        print(f"{n} stars, {live} live: {cpu * 1e6:.0f} us CPU a candidate; ", end="", flush=True)
        print(f"{in_memory(grouping, n):.0f} MB")
    with dev_kafka() as kafka:
        read, total, cpu = restore(kafka.bootstrap_servers, grouping)
    print(f"restore of {n} stars: {total:.1f} s, of it reading {read:.1f} s; {cpu:.1f} s CPU")


if __name__ == "__main__":
    main()
