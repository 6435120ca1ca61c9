"""An operator's retraction: ordered on the scores topic, carried out by the worker that owns the star."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream_worker.codec import encode
from stream_worker.deduplicate_stage import RETRACT_SCHEMA
from stream_worker.kafka.candidate_sink import KafkaCandidateSink
from stream_worker.kafka.clients import idempotent_producer, plain_consumer
from stream_worker.kafka.reading import read_all
from stream_worker.neighbours.lifecycle import OPERATOR
from stream_worker.outputs import SCHEMA_HEADER, TENSE_HEADER
from stream_worker.plans import output_frame, record_decoder
from stream_worker.settings import Settings
from stream_worker.sky import SkyCells
from stream_worker.worker import now_ms

_LOOK_EVERY_S = 0.5


class RetractionRefused(Exception):
    """There is nothing to retract; the message says why."""


@dataclass(frozen=True, slots=True)
class Retraction:
    """What became of an order; ``confirmed`` is whether the RETRACTION has been seen on the scored topic."""

    group_id: str
    star_id: str
    reason: str
    confirmed: bool


def retract(
    settings: Settings, group: str, reason: str, *, wait_s: float, sleep: Callable[[float], None] = time.sleep
) -> Retraction:
    """Order a live group's retraction and wait for it. Blocks.

    Raises
    ------
    RetractionRefused
        No such group, or it isn't live.
    KafkaException, DeliveryError, SettingsError
        Broker or registry did not play along.
    """
    alert = last_alert(settings, group)
    if alert is None:
        raise RetractionRefused(f"no alert of group {group} on {settings.topics.scored}")
    if alert["alert_type"] == "RETRACTION":
        raise RetractionRefused(f"group {group} ({alert['star_id']}) was retracted before: {alert['reason']}")
    _order(settings, alert, reason)
    deadline = time.monotonic() + wait_s
    confirmed = False
    while not confirmed and time.monotonic() < deadline:
        sleep(_LOOK_EVERY_S)
        newest = last_alert(settings, group)
        confirmed = newest is not None and _by_operator(newest)
    return Retraction(group, alert["star_id"], reason, confirmed)


def last_alert(settings: Settings, group: str) -> dict[str, Any] | None:
    """The newest alert of a group, None if it never had one. Reads the scored topic; blocks."""
    decode = record_decoder(settings, "alert")
    consumer = plain_consumer(settings.kafka, "lensnet-retract")
    found: bytes | None = None
    try:
        for record in read_all(consumer, settings.topics.scored):
            if record.key == group.encode():
                found = record.value
    finally:
        consumer.close()
    return None if found is None else decode(found)


def _by_operator(alert: dict[str, Any]) -> bool:
    return alert["alert_type"] == "RETRACTION" and str(alert["reason"]).startswith(OPERATOR)


def _order(settings: Settings, alert: dict[str, Any], reason: str) -> None:
    """Put the order where the star's scores are: among those of its own cell."""
    cells = SkyCells(settings.rules.neighbour_radius_arcsec)
    cell = cells.cells(np.array([alert["ra"]]), np.array([alert["dec"]]))[0][0]
    order = {
        "group_id": alert["group_id"],
        "tense": alert["tense"],
        "replay_id": alert["replay_id"],
        "cell": cell,
        "star_id": alert["star_id"],
        "reason": reason,
        "requested_at": now_ms(),
    }
    packet = output_frame(settings)(RETRACT_SCHEMA, encode(RETRACT_SCHEMA, order))
    sink = KafkaCandidateSink(idempotent_producer(settings.kafka, "lensnet-retract"), settings.topics.scores)
    schema = f"{RETRACT_SCHEMA.name}/{RETRACT_SCHEMA.version}"
    sink.send_raw(str(cell).encode(), packet, [(SCHEMA_HEADER, schema), (TENSE_HEADER, alert["tense"])])
    sink.flush()
