"""The transactional loop that every stage runs: poll, process, commit, or rewind and try again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Protocol, runtime_checkable

import structlog

from stream_worker.kafka.errors import TransactionAborted
from stream_worker.kafka.records import (
    Batch,
    BatchSource,
    OutputRecord,
    PartitionState,
    SourceRecord,
    TransactionSink,
)
from stream_worker.settings import LoopSettings

log = structlog.get_logger(__name__)


class Stage(Protocol):
    """What a stage does with records: pure of offsets and transactions."""

    @property
    def name(self) -> str:
        """Name in logs and outcomes."""

    def process(self, records: Sequence[SourceRecord]) -> list[OutputRecord]:
        """Turn source records into outputs, one outcome for each among them.

        Raises
        ------
        RetryLater
            Something that all records need is out of reach; nothing is lost by trying again.
        """


class StageState(Protocol):
    """The side of a stage that remembers from batch to batch."""

    def due(self) -> bool:
        """Whether there is something to write though no record came."""

    def committed(self) -> None:
        """Let the changes of the last batch stand."""

    def rewound(self) -> None:
        """Take the changes of the last batch back."""


@runtime_checkable
class StatefulStage(Stage, StageState, PartitionState, Protocol):
    """A stage that remembers: per partition, and from batch to batch."""


class RetryLater(Exception):
    """A dependency is out of reach: rewind the batch, back off, try again."""


class StageFatal(Exception):
    """The stage itself is broken, not the records: exit non-zero before anything wrong is written."""


class LoopMonitor(Protocol):
    """Who hears how the loop is doing (health and metrics)."""

    def beat(self) -> None:
        """Note that the loop is alive."""

    def committed(self, batch: Batch, outputs: Sequence[OutputRecord]) -> None:
        """Note that a batch was committed."""

    def aborted(self, reason: str) -> None:
        """Note that a batch was rewound."""

    def step(self, name: str, seconds: float) -> None:
        """Note how long one step of a batch took."""


def run_loop(
    stage: Stage,
    source: BatchSource,
    sink: TransactionSink,
    monitor: LoopMonitor,
    stop: Event,
    limits: LoopSettings,
    *,
    state: StageState | None = None,
    wait: Callable[[float], object] | None = None,
) -> None:
    """Run until ``stop`` is set; the batch in hand is finished first.

    A ``state`` follows the transactions, and may write without records (its holds are over).
    Fatal errors (``ProducerFatal``, ``ConsumerFatal``, ``StageFatal``) pass through: the process
    must exit non-zero.
    """
    backoff = limits.backoff_initial_s
    while not stop.is_set():
        monitor.beat()
        batch = source.poll_batch()
        if batch is None:
            if state is None or not state.due():
                continue
            batch = source.empty_batch()
        try:
            start = time.perf_counter()
            outputs = stage.process(batch.records)
            processed = time.perf_counter()
            sink.commit(outputs, batch)
            monitor.step("process", processed - start)
            monitor.step("transaction", time.perf_counter() - processed)
        except (TransactionAborted, RetryLater) as error:
            log.warning("batch rewound", stage=stage.name, records=len(batch.records), reason=str(error))
            monitor.aborted(str(error))
            if state is not None:
                state.rewound()
            source.rewind(batch)
            (wait or stop.wait)(backoff)
            backoff = min(backoff * 2, limits.backoff_max_s)
        else:
            backoff = limits.backoff_initial_s
            if state is not None:
                state.committed()
            monitor.committed(batch, outputs)
