"""One trace per candidate, seen by a collector that real workers report to."""

from __future__ import annotations

import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.candidates import make_candidates
from support.stream import Stream

from stream_worker.kafka.candidate_sink import KafkaCandidateSink
from stream_worker.kafka.clients import idempotent_producer
from stream_worker.local_stream.processes import start_worker, stopping
from stream_worker.plans import candidate_encoder
from stream_worker.settings import TracingSettings
from stream_worker.telemetry.tracing import ingest_headers, open_tracing


@pytest.fixture
def collector():
    """Address of an OTLP collector, and per trace the names of the spans it got."""
    spans: dict[bytes, dict[str, set[bytes]]] = defaultdict(lambda: defaultdict(set))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            import gzip

            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        spans[span.trace_id][span.name].add(span.span_id)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", spans
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.timeout(240)
def test_every_candidate_has_one_trace_from_ingest_to_its_alert(kafka, topic_prefix, collector, tmp_path):
    endpoint, spans = collector
    stream = Stream(kafka, topic_prefix, partitions=2)
    candidates = list(make_candidates(20, seed=12))
    encode = candidate_encoder(stream.settings)
    with open_tracing(TracingSettings(endpoint=endpoint), "lensnet-ingest") as tracing:
        sink = KafkaCandidateSink(
            idempotent_producer(stream.settings.kafka, "test"),
            stream.settings.topics.candidates,
            more_headers=lambda candidate: ingest_headers(tracing, candidate.candidate_id),
        )
        for candidate in candidates:
            sink.send(candidate, encode(candidate))
        sink.flush()
    environ = {**stream.environ, "LENSNET_TRACING__ENDPOINT": endpoint}
    workers = [start_worker(stage, environ, tmp_path) for stage in ("score", "deduplicate")]
    with stopping(workers, lambda *_: None):
        for worker in workers:
            worker.wait_started()
        stream.wait(lambda books: all(book.balanced for book in books), workers, 120)
    deadline = time.monotonic() + 10
    while len(spans) < 20 or any("deduplicate" not in names for names in spans.values()):
        assert time.monotonic() < deadline, {trace.hex(): sorted(names) for trace, names in spans.items()}
        time.sleep(0.2)
    assert len(spans) == 20
    assert all(set(names) == {"ingest", "score", "deduplicate"} for names in spans.values())
