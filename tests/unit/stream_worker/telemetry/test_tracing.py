from __future__ import annotations

import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stream_worker.kafka.errors import TransactionAborted
from stream_worker.kafka.records import Batch, OutputRecord, SourceRecord
from stream_worker.settings import SettingsError, TracingSettings
from stream_worker.telemetry.tracing import (
    TRACEPARENT,
    TracedTransactions,
    ingest_headers,
    open_tracing,
)


class Sink:
    """Keeps what it was given, or refuses it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.outputs: list[OutputRecord] = []

    def commit(self, outputs, batch) -> None:
        if self.error:
            raise self.error
        self.outputs += outputs


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
def provider(spans):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return provider


def record(topic: str, candidate: str, *headers: tuple[str, bytes]) -> SourceRecord:
    return SourceRecord(topic, 0, 7, None, b"", (("candidate-id", candidate.encode()), *headers), 1_000)


def output(candidate: str, *headers: tuple[str, bytes]) -> OutputRecord:
    return OutputRecord("out", None, b"", (("candidate-id", candidate.encode()), *headers))


def context_of(output: OutputRecord) -> dict[str, bytes | None]:
    return {name: value for name, value in output.headers if name == TRACEPARENT}


def test_one_trace_goes_from_ingest_through_score_to_the_alert_that_was_held_back(provider, spans):
    (header,) = ingest_headers(provider, "a")
    sink = Sink()
    TracedTransactions(sink, provider, "score").commit(
        [output("a"), output("a", ("outcome", b"SCORED"))], Batch([record("candidates", "a", header)])
    )
    score, outcome = sink.outputs
    assert not context_of(outcome)
    grouping = TracedTransactions(sink, provider, "deduplicate")
    grouping.commit([], Batch([record("scores", "a", *context_of(score).items())]))
    grouping.commit([output("a")], Batch([]))  # its hold is over
    alert = sink.outputs[-1]
    by_name = {span.name: span for span in spans.get_finished_spans()}
    assert set(by_name) == {"ingest", "score", "deduplicate"}
    assert len({span.context.trace_id for span in by_name.values()}) == 1
    assert by_name["score"].parent.span_id == by_name["ingest"].context.span_id
    assert by_name["deduplicate"].parent.span_id == by_name["score"].context.span_id
    assert f"{by_name['deduplicate'].context.span_id:016x}".encode() in context_of(alert)[TRACEPARENT]
    assert by_name["score"].start_time == 1_000 * 1_000_000
    assert by_name["score"].attributes["messaging.kafka.offset"] == 7


def test_an_aborted_batch_ends_its_spans_with_an_error_and_raises(provider, spans):
    sink = Sink(TransactionAborted("no"))
    with pytest.raises(TransactionAborted):
        TracedTransactions(sink, provider, "score").commit([], Batch([record("candidates", "a")]))
    (span,) = spans.get_finished_spans()
    assert span.status.description == "aborted"


@pytest.mark.parametrize("carried", [b"", b"rubbish", b"00-0-0-00", b"\xff\xfe" * 40])
def test_whatever_a_packet_carries_stops_nothing(provider, spans, carried):
    sink = Sink()
    traced = TracedTransactions(sink, provider, "score")
    traced.commit([output("a"), output("b")], Batch([record("candidates", "a", (TRACEPARENT, carried))]))
    assert len(spans.get_finished_spans()) == 1
    assert spans.get_finished_spans()[0].parent is None
    assert context_of(sink.outputs[0])
    assert not context_of(sink.outputs[1])  # nobody's


def test_without_an_end_point_there_is_no_tracing():
    with open_tracing(TracingSettings(), "x") as provider:
        assert provider is None
        assert ingest_headers(provider, "a") == ()


def test_an_end_point_without_the_libraries_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    settings = TracingSettings(endpoint="http://127.0.0.1:4318/v1/traces")
    with pytest.raises(SettingsError, match=r"'\.\[otel\]'"), open_tracing(settings, "x"):
        pass
