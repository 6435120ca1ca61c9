"""The state of grouping as records of its compacted changelog: one star of one cell each."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from math import isnan, nan
from typing import Any

import schemas
from stream_worker.kafka.records import OutputRecord
from stream_worker.neighbours.star import Entry, Held, Published, Space, Star, StarKey, pack
from stream_worker.outputs import OutputWriter

NEIGHBOUR_SCHEMA = schemas.load("neighbour", 2)


def changelog_record(
    writer: OutputWriter, topic: str, partition: int, key: StarKey, star: Star | None
) -> OutputRecord:
    """Record of a star in ``partition``, that of its scores; a tombstone for a forgotten one."""
    text = key_text(key)
    if star is None:
        return OutputRecord(topic, text.encode(), None, partition=partition)
    record = writer.write(topic, NEIGHBOUR_SCHEMA, _record(key, star), key=text)
    return OutputRecord(topic, record.key, record.value, record.headers, partition=partition)


def key_text(key: StarKey) -> str:
    """Key of a star's record; JSON, since ids may hold any character."""
    return json.dumps([key.space.tense, key.space.replay_id, key.cell, key.star_id])


def stored_star(record: Mapping[str, Any]) -> tuple[StarKey, Star]:
    """Star of a decoded record."""
    published = record["published"]
    star = Star(
        star_id=record["star_id"],
        home=record["home"],
        ra=record["ra"],
        dec=record["dec"],
        history=pack([_entry(sighting) for sighting in record["history"]]),
        published=None if published is None else _published(published),
        held=tuple(map(_held, record["held"])),
    )
    return StarKey(Space(record["tense"], record["replay_id"]), record["cell"], star.star_id), star


def _record(key: StarKey, star: Star) -> dict[str, Any]:
    published = star.published
    return {
        "tense": key.space.tense,
        "replay_id": key.space.replay_id,
        "cell": key.cell,
        "home": star.home,
        "star_id": star.star_id,
        "ra": star.ra,
        "dec": star.dec,
        "history": [_sighting(entry) for entry in star.entries()],
        "published": None
        if published is None
        else {
            "live": published.live,
            "revision": published.revision,
            "p_review": published.p_review,
            "p_event": _known(published.p_event),
            "delta_chi2": published.delta_chi2,
            "crowded": published.crowded,
            "by_operator": published.by_operator,
            "score": published.body,
        },
        "held": [
            {
                "offset": held.offset,
                "until": held.until_ms,
                "sighting": _sighting(held.entry),
                "trace_id": held.trace_id,
                "redriven_from": held.redriven_from,
                "score": held.body,
            }
            for held in star.held
        ],
    }


def _sighting(entry: Entry) -> dict[str, Any]:
    return {
        "candidate_id": entry.candidate_id,
        "t_cut": entry.t_cut,
        "delta_chi2": entry.delta_chi2,
        "p_review": entry.p_review,
        "p_event": _known(entry.p_event),
    }


def _entry(sighting: Mapping[str, Any]) -> Entry:
    id_bytes = uuid.UUID(sighting["candidate_id"]).bytes
    p_event = _or_nan(sighting["p_event"])
    return Entry(sighting["t_cut"], sighting["delta_chi2"], sighting["p_review"], p_event, id_bytes)


def _published(record: Mapping[str, Any]) -> Published:
    return Published(
        live=record["live"],
        revision=record["revision"],
        p_review=record["p_review"],
        p_event=_or_nan(record["p_event"]),
        delta_chi2=record["delta_chi2"],
        crowded=record["crowded"],
        by_operator=record["by_operator"],
        body=bytes(record["score"]),
    )


def _held(record: Mapping[str, Any]) -> Held:
    return Held(
        offset=record["offset"],
        until_ms=record["until"],
        entry=_entry(record["sighting"]),
        trace_id=record["trace_id"],
        redriven_from=record["redriven_from"],
        body=bytes(record["score"]),
    )


def _known(p_event: float) -> float | None:
    return None if isnan(p_event) else p_event


def _or_nan(p_event: float | None) -> float:
    return nan if p_event is None else p_event
