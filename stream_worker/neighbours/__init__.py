"""Grouping of neighbours on the sky: one alert per event. Pure; start reading at `grouping.Grouping`."""

from __future__ import annotations

from stream_worker.neighbours.effects import Alert, Arrival, Effect, Outcome, arrival_of
from stream_worker.neighbours.grouping import Grouping
from stream_worker.neighbours.ids import alert_id, group_id
from stream_worker.neighbours.lifecycle import AlertType
from stream_worker.neighbours.rules import GroupingRules
from stream_worker.neighbours.star import Sighting, Space, Star, StarKey
from stream_worker.neighbours.verdict import Member, Verdict

__all__ = [
    "Alert",
    "AlertType",
    "Arrival",
    "Effect",
    "Grouping",
    "GroupingRules",
    "Member",
    "Outcome",
    "Sighting",
    "Space",
    "Star",
    "StarKey",
    "Verdict",
    "alert_id",
    "arrival_of",
    "group_id",
]
