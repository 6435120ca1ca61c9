"""A stream of its own for a test: topics, settings, producing, reading back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from stream_worker.balance import StageBalance, balance_stages, read_all
from stream_worker.candidate import Candidate
from stream_worker.changelog import stored_star
from stream_worker.kafka.candidate_sink import KafkaCandidateSink
from stream_worker.kafka.changelog import latest_values
from stream_worker.kafka.clients import admin_client, idempotent_producer, plain_consumer
from stream_worker.kafka.topics import create_topics, topic_specs
from stream_worker.local_stream.processes import WorkerProcess
from stream_worker.local_stream.stream import own_names, read_topic, worker_environment
from stream_worker.neighbours import Grouping, Sighting, Space
from stream_worker.plans import candidate_encoder, record_decoder
from stream_worker.settings import Settings, load_settings
from stream_worker.sky import SkyCells
from support.scores import score_packets
from support.sky import SPACE


class Stream:
    """Topics under a prefix on a real broker."""

    def __init__(
        self, bootstrap: str, prefix: str, *, partitions: int = 6, registry: str | None = None, **kafka: int
    ) -> None:
        self.settings: Settings = load_settings(
            {},
            overrides={
                "kafka": {"bootstrap_servers": bootstrap, "session_timeout_ms": 6000, **kafka},
                "registry": {"url": registry},
                **own_names(prefix),
            },
        )
        create_topics(
            admin_client(self.settings.kafka, "test"),
            topic_specs(self.settings, partitions, retention_days=1),
            replication_factor=1,
        )

    @property
    def environ(self) -> dict[str, str]:
        return worker_environment(self.settings)

    def sink(self) -> KafkaCandidateSink:
        return KafkaCandidateSink(
            idempotent_producer(self.settings.kafka, "test"), self.settings.topics.candidates
        )

    def produce(self, candidates: Iterable[Candidate]) -> None:
        sink, encode = self.sink(), candidate_encoder(self.settings)
        for candidate in candidates:
            sink.send(candidate, encode(candidate))
        sink.flush()

    def produce_raw(self, packets: Iterable[bytes]) -> None:
        sink = self.sink()
        for packet in packets:
            sink.send_raw(b"raw", packet, [])
        sink.flush()

    def produce_scores(self, sightings: Iterable[Sighting], space: Space = SPACE) -> int:
        """Score packets of sightings with their halo copies; returns how many."""
        sink = KafkaCandidateSink(
            idempotent_producer(self.settings.kafka, "test"), self.settings.topics.scores
        )
        cells, n = SkyCells(self.settings.rules.neighbour_radius_arcsec), 0
        for key, packet in score_packets(sightings, cells, space):
            sink.send_raw(key, packet, [])
            n += 1
        sink.flush()
        return n

    def grouping(self) -> Grouping:
        """The state that the changelog holds, all partitions together."""
        grouping, decode = Grouping(self.settings.rules.grouping), record_decoder(self.settings, "neighbour")
        stored = latest_values(self.settings.kafka, self.settings.topics.neighbours)
        for values in stored.values():
            for value in values.values():
                grouping.load(*stored_star(decode(value)), int(time.time() * 1000))
        return grouping

    def read(self, topic: str, schema: str) -> list[dict[str, Any]]:
        return read_topic(self.settings, getattr(self.settings.topics, topic), schema)

    def raw(self, topic: str, isolation: str = "read_committed") -> list[bytes]:
        consumer = plain_consumer(self.settings.kafka, "test-read", isolation=isolation)
        try:
            return [record.value for record in read_all(consumer, getattr(self.settings.topics, topic))]
        finally:
            consumer.close()

    def books(self) -> list[StageBalance]:
        return balance_stages(self.settings)

    def wait(
        self,
        done: Callable[[list[StageBalance]], bool],
        workers: Sequence[WorkerProcess],
        timeout_s: float,
        every_s: float = 0.5,
    ) -> list[StageBalance]:
        """Wait until the books are as wanted; a worker that ends meanwhile fails the test with its log."""
        deadline = time.monotonic() + timeout_s
        while True:
            books = self.books()
            if done(books):
                return books
            for worker in workers:
                assert worker.process.poll() is None, f"{worker.name} ended:\n{worker.tail()}"
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {[b.as_json() for b in books]}"
            time.sleep(every_s)
