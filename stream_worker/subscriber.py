"""For follow-up teams: the alerts as they come, folded into what is live now.

::

    from stream_worker.subscriber import subscribe
    for alert, live in subscribe("broker:9092", since="2026-05-10T00:00"):
        if alert["tense"] == "CURRENT":  # neither a test nor a replay
            print(alert["alert_type"], alert["star_id"], alert["data_age_days"], alert["stale"], len(live))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NoReturn

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from stream_worker.codec.errors import BadPacket
from stream_worker.kafka import clients
from stream_worker.kafka.reading import TIMEOUT_S, OnSkipped, decoded, source_record, watermarks
from stream_worker.kafka.records import SourceRecord
from stream_worker.settings import Settings

BEGINNING = "beginning"
NOW = "now"

Alert = Mapping[str, Any]
"""An alert's fields, as schema alert v1 has them."""

Start = str | int | datetime
"""``"beginning"``, ``"now"``, a time (UTC if it says nothing else), or an offset of every partition."""

_POLL_S = 0.2


class LiveView:
    """Current alert of every live group; a group that was retracted is gone.

    Alerts of one group come in order. For a moment both or neither of two groups may be live while one
    takes the other's place.
    """

    def __init__(self) -> None:
        self._live: dict[str, Alert] = {}

    @property
    def groups(self) -> Mapping[str, Alert]:
        """Group id to its current alert; read-only, it changes with each `apply`."""
        return MappingProxyType(self._live)

    def apply(self, alert: Alert) -> None:
        """Take one alert in."""
        if alert["alert_type"] == "RETRACTION":
            self._live.pop(alert["group_id"], None)
        else:
            self._live[alert["group_id"]] = alert


def subscribe(
    broker: str | Settings, *, since: Start = NOW, on_skipped: OnSkipped | None = None
) -> Iterator[tuple[Alert, Mapping[str, Alert]]]:
    """Yield each committed alert with the live groups after it, for ever. Blocks.

    Parameters
    ----------
    broker
        Bootstrap servers, or settings with topics, registry and security.
    since
        Where to begin.
    on_skipped
        Hears of records that cannot be decoded; without it the first one is raised.

    Raises
    ------
    ValueError
        ``since`` makes no sense.
    KafkaException
        The topic doesn't exist, or the broker didn't answer.
    BadPacket
        A record cannot be decoded and there is no ``on_skipped``.
    """
    view = LiveView()
    if isinstance(broker, str):
        broker = Settings.model_validate({"kafka": {"bootstrap_servers": broker}})
    for alert in alerts(broker, since=since, on_skipped=on_skipped or _refuse):
        if alert is not None:
            view.apply(alert)
            yield alert, view.groups


def alerts(settings: Settings, *, since: Start, on_skipped: OnSkipped) -> Iterator[Alert | None]:
    """Alerts as they come, None whenever a moment passed without one. Blocks; raises as `subscribe`."""
    from stream_worker.plans import record_decoder

    decode = record_decoder(settings, "alert")
    consumer = clients.plain_consumer(settings.kafka, "lensnet-subscriber")
    try:
        consumer.assign(_positions(consumer, settings.topics.scored, since))
        yield from _polled(consumer, decode, on_skipped)
    finally:
        consumer.close()


def _polled(
    consumer: Consumer, decode: Callable[[bytes], dict[str, Any]], on_skipped: OnSkipped
) -> Iterator[Alert | None]:
    while True:
        message = consumer.poll(_POLL_S)
        if message is None:
            yield None
            continue
        error = message.error()
        if error is None:
            for _, alert in decoded([source_record(message)], decode, on_skipped):
                yield alert
        elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - local codes start so
            raise KafkaException(error)


def _positions(consumer: Consumer, topic: str, since: Start) -> list[TopicPartition]:
    marks = watermarks(consumer, topic)
    start = parse_start(since) if isinstance(since, str) else since
    if start == BEGINNING:
        return [TopicPartition(topic, n, low) for n, (low, _) in marks.items()]
    if start == NOW:
        return [TopicPartition(topic, n, high) for n, (_, high) in marks.items()]
    if isinstance(start, int):
        return [TopicPartition(topic, n, min(max(start, low), high)) for n, (low, high) in marks.items()]
    if isinstance(start, str):
        raise TypeError(start)
    wanted = [TopicPartition(topic, n, int(start.timestamp() * 1000)) for n in marks]
    found = consumer.offsets_for_times(wanted, TIMEOUT_S)
    return [
        TopicPartition(topic, p.partition, p.offset if p.offset >= 0 else marks[p.partition][1])
        for p in found
    ]


def parse_start(text: str) -> Start:
    """Read a start as a person writes it.

    Raises
    ------
    ValueError
        It is no start.
    """
    if text in (BEGINNING, NOW):
        return text
    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r}: expected {BEGINNING}, {NOW}, an offset, or a time like 2026-05-10T00:00"
        ) from None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def _refuse(_: SourceRecord, error: BadPacket) -> NoReturn:
    raise error
