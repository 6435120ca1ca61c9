"""Removes what a replay left on a broker."""

from __future__ import annotations

from concurrent.futures import wait

from stream_worker.kafka.clients import admin_client
from stream_worker.replay.names import checkpoint_topic, replay_settings
from stream_worker.settings import Settings

_TIMEOUT_S = 30.0


def remove_replay(settings: Settings, replay_id: str) -> list[str]:
    """Delete the topics and groups of one replay; return the topics that were there. Blocks.

    Topics first: with its groups gone, a replay whose topics are still there would be scored a second time.

    Raises
    ------
    SettingsError
        The id can't be one of a replay.
    KafkaException
        The broker didn't answer, or refused.
    """
    own = replay_settings(settings, replay_id)
    admin = admin_client(settings.kafka, "lensnet-replay-remove")
    present = admin.list_topics(timeout=_TIMEOUT_S).topics
    topics = [
        name for name in (*own.topics.model_dump().values(), checkpoint_topic(replay_id)) if name in present
    ]
    if not topics:
        return []
    for deleted in admin.delete_topics(topics, request_timeout=_TIMEOUT_S).values():
        deleted.result(_TIMEOUT_S)
    groups = admin.delete_consumer_groups(
        [own.score.group_id, own.deduplicate.group_id], request_timeout=_TIMEOUT_S
    )
    wait(groups.values(), _TIMEOUT_S)  # one that never existed is no failure
    return topics
