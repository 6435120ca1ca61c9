"""The view of what the topics hold: of the live stream, or of one replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer

from stream_worker.codec.errors import BadPacket
from stream_worker.kafka.clients import plain_consumer
from stream_worker.kafka.reading import OnSkipped, decoded, read_all
from stream_worker.kafka.records import SourceRecord
from stream_worker.plans import record_decoder
from stream_worker.replay.diff.view import RunView, Seen, StarEnd
from stream_worker.replay.grouping import final_verdicts
from stream_worker.replay.names import ARCHIVE_PREFIX
from stream_worker.replay.selection import Selection
from stream_worker.settings import Settings


def view_of_topics(
    settings: Settings, name: str, replay_id: str | None, nights: Selection, on_skipped: OnSkipped
) -> RunView:
    """Read scores, outcomes and alerts from the topics of ``settings``. Blocks while it reads them all.

    Primaries and members are those of the rules over the scores; which groups are live, and how they came
    there, is what the alerts say.

    Parameters
    ----------
    replay_id
        Only what carries this id; None takes only what carries none, the live stream.
    nights
        Only candidates that it takes by their t_cut.
    on_skipped
        Hears of records that cannot be decoded.

    Raises
    ------
    KafkaException
        A topic doesn't exist, or the broker didn't answer.
    """
    view = RunView(name)
    consumer = plain_consumer(settings.kafka, "lensnet-diff")
    try:
        copies = [
            score
            for score in _records(
                consumer, settings, settings.topics.scores, "score", _but_orders(settings, on_skipped)
            )
            if score["replay_id"] == replay_id and nights.holds(score["t_cut"])
        ]
        _add_scores(view, copies)
        outcomes = _records(consumer, settings, settings.topics.outcomes, "outcome", on_skipped)
        _add_unscored(view, outcomes, settings.topics.candidates, replayed=replay_id is not None)
        for alert in _records(consumer, settings, settings.topics.scored, "alert", on_skipped):
            if alert["replay_id"] == replay_id and nights.holds(alert["alertfinder"]["t_cut"]):
                view.send(alert["star_id"], [(alert["alert_type"], alert["reason"])])
    finally:
        consumer.close()
    for star_id, verdict in final_verdicts(copies, settings.rules.grouping):
        members = sorted(member.star_id for member in verdict.members)
        view.stars[star_id] = StarEnd(verdict.strongest, tuple(members), verdict.crowded)
    return view


def _add_scores(view: RunView, copies: list[dict[str, Any]]) -> None:
    for score in copies:
        if score["halo"]:
            continue
        classes, decisions = score["class_probabilities"], score["decisions"]
        view.thresholds.update({one["name"]: one["threshold"] for one in decisions})
        view.about.setdefault("model", {key: score["model"][key] for key in ("name", "version", "sha256")})
        view.about.setdefault("settings_hash", score["settings_hash"])
        view.about.setdefault("preprocessing_version", score["model"]["preprocessing_version"])
        view.add(
            Seen(
                score["candidate_id"],
                score["star_id"],
                score["t_cut"],
                "SCORED",
                None,
                (score["p_review"], classes["yes"], classes["maybe"], classes["no"]),
                frozenset(one["name"] for one in decisions if one["passed"]),
                score["p_event"],
            )
        )


def _add_unscored(
    view: RunView, outcomes: Iterable[Mapping[str, Any]], candidates: str, *, replayed: bool
) -> None:
    """Candidates that were not scored; what the outcome doesn't tell of them stays unknown.

    What a replay quarantined itself comes from its archives, not from the topic ``candidates``.
    """
    for outcome in outcomes:
        if outcome["stage"] != "score" or outcome["outcome"] == "SCORED":
            continue
        of_archive = replayed and outcome["topic"].startswith(ARCHIVE_PREFIX)
        if outcome["topic"] != candidates and not of_archive:
            continue
        if outcome["outcome"] == "QUARANTINED":
            view.refused[outcome["reason"]] += 1
            continue
        view.add(Seen(outcome["candidate_id"], "", 0.0, outcome["outcome"], None, None, frozenset()))


def _records(
    consumer: Consumer, settings: Settings, topic: str, schema: str, on_skipped: OnSkipped
) -> Iterator[dict[str, Any]]:
    decode = record_decoder(settings, schema)
    return (record for _, record in decoded(read_all(consumer, topic), decode, on_skipped))


def _but_orders(settings: Settings, on_skipped: OnSkipped) -> OnSkipped:
    """Hear of undecodable records among the scores, but not of operators' orders to retract."""
    decode_order = record_decoder(settings, "retract")

    def tell(record: SourceRecord, error: BadPacket) -> None:
        try:
            decode_order(record.value)
        except BadPacket:
            on_skipped(record, error)

    return tell
