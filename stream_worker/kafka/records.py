"""Values that travel between the broker and a stage; a batch carries its offsets with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Headers = tuple[tuple[str, bytes | None], ...]
Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One consumed record. ``timestamp`` is ms since 1970-01-01 UTC, or None."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Headers = ()
    timestamp: int | None = None

    def header(self, name: str) -> str | None:
        """Return the text of the first header of that name, or None."""
        for key, value in self.headers:
            if key == name and value is not None:
                return value.decode("utf-8", "replace")
        return None


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One record to produce; ``partition`` None lets the key decide, ``value`` None is a tombstone.

    ``source_timestamp`` is that of the record whose outcome this is, ms; None of others, or where not known.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    source_timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one transaction, with the group metadata captured with them (KIP-447)."""

    records: Sequence[SourceRecord]
    group_metadata: Any = None
    start_offsets: Mapping[Partition, int] = field(default_factory=dict)
    next_offsets: Mapping[Partition, int] = field(default_factory=dict)


class PartitionState(Protocol):
    """What a stage keeps per partition; all of it is called inside a poll, between batches."""

    def restore(self, partitions: Sequence[int]) -> None:
        """Read the state of newly assigned partitions. Blocks; raises KafkaException."""

    def drop(self, partitions: Sequence[int]) -> None:
        """Forget partitions that another worker has now."""

    def idle_s(self) -> float:
        """How long a poll may wait for records."""


class BatchSource(Protocol):
    """Where batches come from."""

    def poll_batch(self) -> Batch | None:
        """Block until a batch is gathered or the idle poll is over; None when idle."""

    def empty_batch(self) -> Batch:
        """Return a batch without records that commits the present positions again.

        With it the broker checks the generation of a member that writes without having read.
        """

    def rewind(self, batch: Batch) -> None:
        """Go back to the start offsets of an aborted batch, where still assigned. Doesn't block."""

    def close(self) -> None:
        """Leave the group. Blocks for a round trip."""


class TransactionSink(Protocol):
    """Where a batch's outputs go, with its offsets, or not at all."""

    def commit(self, outputs: Sequence[OutputRecord], batch: Batch) -> None:
        """Produce outputs and offsets in one transaction and commit it. Blocks.

        Raises
        ------
        TransactionAborted
            Nothing was written: rewind the batch, back off, retry.
        ProducerFatal
            The producer is fenced or broken: exit non-zero, never retry under this transactional id.
        """
