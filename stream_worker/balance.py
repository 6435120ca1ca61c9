"""Balance: every source record of a stage against the outcomes written for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer

from stream_worker.books import EVERYTHING, Entry, Position, StageBalance, Window, settle
from stream_worker.codec.errors import BadPacket
from stream_worker.kafka import clients
from stream_worker.kafka.changelog import latest_values
from stream_worker.kafka.reading import (
    OnSkipped,
    committed_offsets,
    decoded,
    kept_since,
    read_all,
    settled_after_s,
    watermarks,
    written_ends,
)
from stream_worker.kafka.records import SourceRecord
from stream_worker.plans import record_decoder
from stream_worker.settings import Settings

__all__ = [
    "Entry",
    "Position",
    "StageBalance",
    "Window",
    "balance_stages",
    "committed_offsets",
    "read_all",
    "settle",
]


def balance_stages(
    settings: Settings,
    *,
    window: Window = EVERYTHING,
    on_skipped: OnSkipped | None = None,
    timeout_s: float | None = None,
) -> list[StageBalance]:
    """Balance of both stages from the topics' start to now. Blocks while it reads them.

    Reads every source record whole only to learn its offset, and keeps none: offsets alone don't tell
    records from transaction markers and aborted records.

    Records that retention took before their group read them are told only until the group has gone on
    behind them: no topic knows of them any more.

    Parameters
    ----------
    window
        Only source records inside it are looked at.
    on_skipped
        Hears of outcome records that cannot be decoded; without it the first one is raised.
    timeout_s
        Longest wait without progress; None waits longer than a transaction of the stages may be open.

    Raises
    ------
    KafkaException
        A topic doesn't exist, the broker didn't answer, or a transaction on the outcomes stayed open.
    BadPacket
        An outcome record cannot be decoded and there is no ``on_skipped``.
    """
    kafka, topics = settings.kafka, settings.topics
    if timeout_s is None:
        timeout_s = settled_after_s(kafka)
    plan = (
        ("score", topics.candidates, settings.score.group_id),
        ("deduplicate", topics.scores, settings.deduplicate.group_id),
    )
    consumer = clients.plain_consumer(kafka, "lensnet-balance")
    try:
        # before the committed offsets: what is gone by then below them was never read
        kept_before = {stage: _first_kept(consumer, topic) for stage, topic, _ in plan}
        # in this order: what lies below a committed offset is held, or has its outcome below these ends,
        # in a transaction that may still be ending; and an outcome has its source
        committed = {stage: committed_offsets(kafka, group, topic) for stage, topic, group in plan}
        held = {"deduplicate": held_positions(settings)}
        ends = written_ends(kafka, "lensnet-balance-ends", topics.outcomes)
        outcomes, complete_since = _read_outcomes(consumer, settings, ends, on_skipped or _refuse, timeout_s)
        source = {
            stage: {(r.partition, r.offset): r.timestamp for r in read_all(consumer, topic)}
            for stage, topic, _ in plan
        }
        # after the source was read: retention may have moved on meanwhile
        first_kept = {stage: _first_kept(consumer, topic) for stage, topic, _ in plan}
    finally:
        consumer.close()
    return [
        settle(
            stage,
            topic,
            source[stage],
            outcomes.get((stage, topic), []),
            committed[stage],
            held=held.get(stage, ()),
            window=window,
            first_kept=first_kept[stage],
            kept_before=kept_before[stage],
            complete_since=complete_since,
        )
        for stage, topic, _ in plan
    ]


def _first_kept(consumer: Consumer, topic: str) -> dict[int, int]:
    return {n: low for n, (low, _) in watermarks(consumer, topic).items()}


def _read_outcomes(
    consumer: Consumer, settings: Settings, ends: Mapping[int, int], on_skipped: OnSkipped, timeout_s: float
) -> tuple[dict[tuple[str, str], list[Entry]], int | None]:
    """Outcomes by stage and source topic, and since when (ms) the topic keeps them all, None: since ever."""
    topic, oldest = settings.topics.outcomes, dict[int, int]()

    def records() -> Iterator[SourceRecord]:
        for record in read_all(consumer, topic, ends=ends, timeout_s=timeout_s):
            oldest.setdefault(record.partition, record.timestamp or 0)
            yield record

    outcomes: dict[tuple[str, str], list[Entry]] = {}
    for _, entry in decoded(records(), record_decoder(settings, "outcome"), on_skipped):
        of_source = outcomes.setdefault((entry["stage"], entry["topic"]), [])
        of_source.append(
            Entry(
                (entry["partition"], entry["offset"]),
                entry["outcome"],
                entry["reason"],
                entry["group_id"],
                entry["candidate_id"],
            )
        )
    return outcomes, kept_since(consumer, topic, oldest)


def held_positions(settings: Settings) -> set[Position]:
    """Score records that the grouping stage holds back, from its changelog. Blocks."""
    decode = record_decoder(settings, "neighbour")
    stored = latest_values(settings.kafka, settings.topics.neighbours)
    return {
        (partition, held["offset"])
        for partition, values in stored.items()
        for value in values.values()
        for held in decode(value)["held"]
    }


def _refuse(_: SourceRecord, error: BadPacket) -> None:
    raise error
