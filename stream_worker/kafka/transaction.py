"""One Kafka transaction per batch: outputs and offsets together, or neither (KIP-98, KIP-447)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog
from confluent_kafka import KafkaException, TopicPartition

from stream_worker.kafka.errors import ProducerFatal, TransactionAborted
from stream_worker.kafka.records import Batch, OutputRecord

HeaderList = list[tuple[str, str | bytes | None]]

log = structlog.get_logger(__name__)

_ATTEMPT_S = 5.0
_PAUSE_S = 0.1


class TransactionalProducer(Protocol):
    """The part of ``confluent_kafka.Producer`` that a transaction needs."""

    def init_transactions(self, timeout: float = ...) -> None:
        """Register the transactional id. Blocks up to ``timeout`` seconds."""

    def begin_transaction(self) -> None:
        """Begin a transaction."""

    def produce(
        self,
        topic: str,
        value: bytes | None = ...,
        key: bytes | None = ...,
        partition: int = ...,
        *,
        headers: HeaderList | None = ...,
    ) -> None:
        """Queue one record; ``BufferError`` when the local queue is full."""

    def poll(self, timeout: float = ...) -> int:
        """Serve delivery reports. Blocks up to ``timeout`` seconds."""

    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], group_metadata: Any, timeout: float = ...
    ) -> None:
        """Add consumer offsets to the transaction. Blocks up to ``timeout`` seconds."""

    def commit_transaction(self, timeout: float = ...) -> None:
        """Flush and commit. Blocks up to ``timeout`` seconds."""

    def abort_transaction(self, timeout: float = ...) -> None:
        """Purge and abort. Blocks up to ``timeout`` seconds."""


class KafkaTransactions:
    """Commits batches through one transactional producer.

    Parameters
    ----------
    producer
        Its transactional id must be unique to this process start.
    timeout_s
        How long one call may be retried before the transaction is given up; the broker's own
        ``transaction.timeout.ms`` should not be shorter. A commit is waited for until it is decided.
    should_stop
        Ends the wait for a broker that is out of reach.
    on_retry
        Hears of each vain attempt to reach the broker.
    """

    def __init__(
        self,
        producer: TransactionalProducer,
        *,
        timeout_s: float,
        should_stop: Callable[[], bool] = lambda: False,
        on_retry: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._producer = producer
        self._timeout_s = timeout_s
        self._should_stop = should_stop
        self._on_retry = on_retry
        self._monotonic = monotonic
        self._pause = pause

    def open(self) -> bool:
        """Register the transactional id, retrying while the broker is out of reach.

        Blocks until it is done (True) or ``should_stop`` says so (False).

        Raises
        ------
        ProducerFatal
            The broker refuses the transactional id.
        """
        while not self._should_stop():
            try:
                self._producer.init_transactions(_ATTEMPT_S)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise ProducerFatal(f"init_transactions: {error.args[0].str()}") from error
                log.warning("broker not ready for transactions, retrying", error=error.args[0].str())
                self._on_retry()
            else:
                return True
        return False

    def commit(self, outputs: Sequence[OutputRecord], batch: Batch) -> None:
        """Write ``outputs`` and the batch's next offsets in one transaction. Blocks.

        1. begin; 2. produce; 3. add the offsets under the group metadata captured with the batch;
        4. commit, which flushes. On any error that allows it the transaction is aborted.

        Raises
        ------
        TransactionAborted
            Nothing was written: rewind, back off, retry.
        ProducerFatal
            Fenced or broken: exit.
        """
        deadline = self._monotonic() + self._timeout_s
        offsets = [TopicPartition(t, p, offset) for (t, p), offset in batch.next_offsets.items()]
        try:
            self._producer.begin_transaction()
            for output in outputs:
                self._produce(output, deadline)
            if offsets:  # who replays an archive consumes nothing
                self._retry(
                    deadline,
                    lambda left: self._producer.send_offsets_to_transaction(
                        offsets, batch.group_metadata, left
                    ),
                )
            self._finish(deadline)
        except KafkaException as error:
            self._abort(error)

    def _produce(self, output: OutputRecord, deadline: float) -> None:
        while True:
            try:
                self._producer.produce(
                    output.topic,
                    value=output.value,
                    key=output.key,
                    partition=-1 if output.partition is None else output.partition,
                    headers=list(output.headers),
                )
            except BufferError:
                if self._monotonic() > deadline:
                    self._abort(KafkaException("local queue full"))
                self._producer.poll(0.1)
            else:
                return

    def _retry(self, deadline: float, call: Callable[[float], None]) -> None:
        """Repeat one transactional call while librdkafka says that it may be repeated."""
        while True:
            left = deadline - self._monotonic()
            try:
                call(max(left, 0.1))
            except KafkaException as error:
                if left <= 0 or not error.args[0].retriable():
                    raise
                log.warning("transaction call retried", error=error.args[0].str())
            else:
                return

    def _finish(self, deadline: float) -> None:
        """Commit, and never let go of a commit on its way: it may yet succeed.

        Librdkafka resumes it with each call. A transaction that the broker has given up ends it with an
        error, so that this ends; only a stop may leave it undecided, to the broker.
        """
        while True:
            try:
                self._producer.commit_transaction(_ATTEMPT_S)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
                log.warning("commit not yet acknowledged, waiting", error=error.args[0].str())
                self._on_retry()
                if self._should_stop() and self._monotonic() > deadline:
                    raise ProducerFatal(f"commit undecided at the stop: {error.args[0]}") from error
                self._pause(_PAUSE_S)
            else:
                return

    def _abort(self, cause: KafkaException) -> None:
        reason = cause.args[0]
        if _is_fatal(reason):
            raise ProducerFatal(str(reason)) from cause
        while not self._should_stop():
            try:
                self._producer.abort_transaction(_ATTEMPT_S)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise ProducerFatal(f"abort after {reason} failed: {error.args[0]}") from error
                log.warning("broker not ready for the abort, retrying", error=error.args[0].str())
                self._on_retry()
                self._pause(_PAUSE_S)
            else:
                break
        raise TransactionAborted(str(reason)) from cause


def _is_fatal(reason: Any) -> bool:
    return bool(getattr(reason, "fatal", lambda: False)())
