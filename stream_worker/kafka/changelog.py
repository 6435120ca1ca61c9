"""Reads a compacted changelog: the last value of every key, as of the commits that precede the call."""

from __future__ import annotations

from collections.abc import Callable, Collection

from stream_worker.kafka import clients
from stream_worker.kafka.reading import TIMEOUT_S, read_all, settled_after_s, written_ends
from stream_worker.settings import KafkaSettings

_BEAT_EVERY = 5_000


def latest_values(
    kafka: KafkaSettings,
    topic: str,
    partitions: Collection[int] | None = None,
    *,
    beat: Callable[[], None] = lambda: None,
    timeout_s: float = TIMEOUT_S,
) -> dict[int, dict[bytes, bytes]]:
    """Last value of each key, by partition; keys whose last record is a tombstone are left out. Blocks.

    Reads to the end as it is now, open transactions included, and waits for those to end: what was
    committed before the call is in the result, what was aborted is not.

    Parameters
    ----------
    partitions
        Read only these; None reads all.
    beat
        Called now and then while it reads.
    timeout_s
        Longest wait for the end's answer; open transactions are waited for as long as they may be open.

    Raises
    ------
    KafkaException
        The topic doesn't exist, the broker didn't answer, or a transaction stayed open.
    """
    beat()
    ends = written_ends(kafka, "lensnet-changelog-ends", topic, partitions, timeout_s)
    beat()
    found: dict[int, dict[bytes, bytes]] = {n: {} for n in ends}
    consumer = clients.plain_consumer(kafka, "lensnet-changelog")
    try:
        records = read_all(
            consumer, topic, ends=ends, partitions=partitions, timeout_s=settled_after_s(kafka), beat=beat
        )
        for number, record in enumerate(records):
            key = record.key or b""
            if record.value:
                found[record.partition][key] = record.value
            else:
                found[record.partition].pop(key, None)
            if number % _BEAT_EVERY == 0:
                beat()
    finally:
        consumer.close()
    return found
