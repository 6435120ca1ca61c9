"""Deterministic ids of groups and alerts."""

from __future__ import annotations

import uuid

from stream_worker.neighbours.star import Space

_GROUP_NAMESPACE = uuid.UUID("0b5d7a52-7f0e-5d0c-8d4e-6f1f3c8f0a77")


def group_id(space: Space, star_id: str) -> str:
    """Id of a group: UUIDv5 of tense, replay id and the primary's star id."""
    return str(uuid.uuid5(_GROUP_NAMESPACE, f"{space.tense}/{space.replay_id or ''}/{star_id}"))


def alert_id(group: str, candidate_id: str, alert_type: str, revision: int) -> str:
    """Id of an alert: UUIDv5 of group, candidate, type and revision."""
    return str(uuid.uuid5(_GROUP_NAMESPACE, f"{group}/{candidate_id}/{alert_type}/{revision}"))
