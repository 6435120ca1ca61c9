"""Topics and groups of a replay: its own, named after its id, never the live ones."""

from __future__ import annotations

import re
from typing import Final

from stream_worker.settings import Settings, SettingsError, TopicSettings

PREFIX: Final = "lensnet.replay."
ARCHIVE_PREFIX: Final = "archive:"
"""Begins the source of a record that never was on a topic; no topic's name may have a colon."""

_ALLOWED: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def replay_settings(settings: Settings, replay_id: str) -> Settings:
    """The settings with the topics and consumer groups of one replay.

    Raises
    ------
    SettingsError
        The id can't be part of a topic's name.
    """
    if not _ALLOWED.fullmatch(replay_id):
        raise SettingsError([f"replay id {replay_id!r}: expected 1 to 64 letters, digits, - and _"])
    prefix = f"{PREFIX}{replay_id}."
    topics = TopicSettings(**{name: f"{prefix}{name}" for name in TopicSettings.model_fields})
    return settings.model_copy(
        update={
            "topics": topics,
            "score": settings.score.model_copy(update={"group_id": f"{prefix}score"}),
            "deduplicate": settings.deduplicate.model_copy(update={"group_id": f"{prefix}deduplicate"}),
        }
    )


def archive_source(archive: str) -> str:
    """Source of an archive's records, where that of others is a topic."""
    return f"{ARCHIVE_PREFIX}{archive}"


def checkpoint_topic(replay_id: str) -> str:
    """Topic that tells how far a replay has been sent."""
    return f"{PREFIX}{replay_id}.sent"
