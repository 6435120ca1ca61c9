"""Both stages with a real schema registry: everything on the topics carries registry ids."""

from __future__ import annotations

from support.candidates import make_candidates
from support.stream import Stream

from schemas.wire import Confluent, unframe
from stream_worker.local_stream.processes import start_worker, stopping


def test_candidates_to_alerts_in_confluent_framing(kafka, topic_prefix, registry_node, tmp_path):
    stream = Stream(kafka, topic_prefix, partitions=2, registry=registry_node.url)
    stream.produce(make_candidates(20, seed=8))
    stream.produce_raw([b"\x00\x7f\xff\xff\xffno such schema"])
    workers = [start_worker(stage, stream.environ, tmp_path) for stage in ("score", "deduplicate")]
    with stopping(workers, lambda *_: None):
        books = stream.wait(lambda books: all(b.balanced and b.source_records for b in books), workers, 90)
    assert books[0].outcomes == {"SCORED": 20, "QUARANTINED": 1}
    assert books[0].reasons == {"unknown_schema": 1}
    for topic in ("candidates", "scores", "outcomes", "quarantine"):
        packets = [packet for packet in stream.raw(topic) if b"no such schema" not in packet[:20]]
        assert packets
        assert all(isinstance(unframe(packet), Confluent) for packet in packets), topic
