"""Produces candidate packets, at least once; their ids make a repeat harmless."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaError, Message, Producer

from stream_worker.candidate import Candidate
from stream_worker.codec import CANDIDATE
from stream_worker.kafka.records import Headers
from stream_worker.kafka.transaction import HeaderList
from stream_worker.outputs import SCHEMA_HEADER, trace_headers


class DeliveryError(Exception):
    """Some packets were not acknowledged; the message tells how many and why."""


class KafkaCandidateSink:
    """Sends candidates to the candidates topic, keyed by star so that a star's packets keep their order.

    Parameters
    ----------
    on_delivery
        Called once for every packet that the broker has acknowledged.
    more_headers
        Headers of a candidate's packet beside its own, e.g. those of its trace.
    """

    def __init__(
        self,
        producer: Producer,
        topic: str,
        *,
        on_delivery: Callable[[], None] = lambda: None,
        more_headers: Callable[[Candidate], Headers] = lambda _candidate: (),
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._on_delivery = on_delivery
        self._more_headers = more_headers
        self._errors: list[str] = []

    def send(self, candidate: Candidate, packet: bytes) -> None:
        """Queue one packet; blocks while the local queue is full."""
        headers: HeaderList = [*trace_headers(candidate.candidate_id, candidate.tense.value, None)]
        headers.append((SCHEMA_HEADER, f"{CANDIDATE.name}/{CANDIDATE.version}".encode()))
        headers.extend(self._more_headers(candidate))
        self.send_raw(candidate.star_id.encode(), packet, headers)

    def send_raw(self, key: bytes, packet: bytes, headers: HeaderList) -> None:
        """Queue any bytes; blocks while the local queue is full."""
        while True:
            try:
                self._producer.produce(self._topic, packet, key, headers=headers, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.2)
            else:
                self._producer.poll(0)
                return

    def flush(self, timeout_s: float = 60.0) -> None:
        """Wait until every packet is acknowledged.

        Raises
        ------
        DeliveryError
            Some were not.
        """
        unsent = self._producer.flush(timeout_s)
        if unsent:
            self._errors.append(f"{unsent} packets not acknowledged within {timeout_s:g} s")
        if self._errors:
            errors, self._errors = self._errors, []
            raise DeliveryError(f"{self._topic}: {len(errors)} failures, the first: {errors[0]}")

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self._on_delivery()
        else:
            self._errors.append(error.str())
