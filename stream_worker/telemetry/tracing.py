"""One trace per candidate, from ingest to alert, carried by the W3C ``traceparent`` header of the records.

Optional: without an end point in the settings nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from stream_worker.extras import install_hint
from stream_worker.kafka.records import Batch, Headers, OutputRecord, SourceRecord, TransactionSink
from stream_worker.outcome import OUTCOME_HEADER
from stream_worker.outputs import CANDIDATE_HEADER
from stream_worker.settings import SettingsError, TracingSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

TRACEPARENT = "traceparent"
_REMEMBERED = 100_000
"""Candidates whose trace is remembered until their alert is released; older ones lose only their trace."""


@contextmanager
def open_tracing(settings: TracingSettings, service: str) -> Iterator[TracerProvider | None]:
    """Provide the tracer's provider, None without an end point; what is still to be sent is sent at the end.

    Raises
    ------
    SettingsError
        An end point is set, but OpenTelemetry is not installed.
    """
    if settings.endpoint is None:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError:
        raise SettingsError(
            [f"tracing.endpoint is set but OpenTelemetry is not installed; {install_hint('otel')}"]
        ) from None
    provider = TracerProvider(
        resource=Resource.create({"service.name": service}),
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint)))
    try:
        yield provider
    finally:
        provider.shutdown()


class TracedTransactions:
    """A transaction sink that writes one span per source record, and its context into what comes of it.

    A span reaches from the record's timestamp to the commit of the batch that took it; that of a batch that
    is tried again ends with an error, and another one follows. Outputs find their span by the
    candidate's id, also those that a stage holds back for a later batch.
    """

    def __init__(self, inner: TransactionSink, provider: TracerProvider, stage: str) -> None:
        self._inner = inner
        self._tracer = provider.get_tracer("stream_worker")
        self._stage = stage
        self._parents: OrderedDict[str, bytes] = OrderedDict()

    def commit(self, outputs: Sequence[OutputRecord], batch: Batch) -> None:
        """Commit as the inner sink does; blocks and raises as it."""
        from opentelemetry.trace import Status, StatusCode

        spans = [self._begin(record) for record in batch.records]
        traced = [self._with_context(output) for output in outputs]
        ok = False
        try:
            self._inner.commit(traced, batch)
            ok = True
        finally:
            for span in spans:
                span.set_status(Status(StatusCode.OK) if ok else Status(StatusCode.ERROR, "aborted"))
                span.end()

    def _begin(self, record: SourceRecord) -> Span:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carried = record.header(TRACEPARENT)
        parent = TraceContextTextMapPropagator().extract({TRACEPARENT: carried} if carried else {})
        now = time.time_ns()
        began = now if record.timestamp is None else min(record.timestamp * 1_000_000, now)
        candidate = record.header(CANDIDATE_HEADER) or ""
        span = self._tracer.start_span(
            self._stage,
            parent,
            SpanKind.CONSUMER,
            {
                "messaging.system": "kafka",
                "messaging.destination.name": record.topic,
                "messaging.destination.partition.id": str(record.partition),
                "messaging.kafka.offset": record.offset,
                "lensnet.candidate_id": candidate,
            },
            start_time=began,
        )
        if candidate:
            self._parents[candidate] = traceparent(span)
            self._parents.move_to_end(candidate)
            while len(self._parents) > _REMEMBERED:
                self._parents.popitem(last=False)
        return span

    def _with_context(self, output: OutputRecord) -> OutputRecord:
        named = {name: value for name, value in output.headers if value is not None}
        parent = self._parents.get(named.get(CANDIDATE_HEADER, b"").decode("utf-8", "replace"))
        if parent is None or OUTCOME_HEADER in named:  # outcomes are read by nobody who would go on with it
            return output
        headers = tuple(header for header in output.headers if header[0] != TRACEPARENT)
        return replace(output, headers=(*headers, (TRACEPARENT, parent)))


def ingest_headers(provider: TracerProvider | None, candidate_id: str) -> Headers:
    """Begin a candidate's trace; () without tracing."""
    if provider is None:
        return ()
    with provider.get_tracer("stream_worker").start_as_current_span(
        "ingest", attributes={"lensnet.candidate_id": candidate_id}
    ) as span:
        return ((TRACEPARENT, traceparent(span)),)


def traceparent(span: Span) -> bytes:
    """A span's context as W3C Trace Context writes it."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}".encode()
