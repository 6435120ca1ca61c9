"""Removing a replay from a broker."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from stream_worker.replay.names import checkpoint_topic, replay_settings
from stream_worker.replay.removal import remove_replay


class Killed(BaseException):
    pass


class Admin:
    """A broker with the topics and groups of replay r-1, and live ones; may end after so many requests."""

    def __init__(self, settings, survive):
        own = replay_settings(settings, "r-1")
        self.topics = {"lensnet.candidates", *own.topics.model_dump().values(), checkpoint_topic("r-1")}
        self.groups = {"live", own.score.group_id, own.deduplicate.group_id}
        self.survive = survive

    def list_topics(self, timeout):
        return SimpleNamespace(topics=dict.fromkeys(self.topics))

    def delete_topics(self, names, request_timeout):
        return self._delete(self.topics, names)

    def delete_consumer_groups(self, names, request_timeout):
        return self._delete(self.groups, names)

    def _delete(self, present, names):
        if not self.survive:
            raise Killed
        self.survive -= 1
        present.difference_update(names)
        done = {name: Future() for name in names}
        for future in done.values():
            future.set_result(None)
        return done


@pytest.mark.parametrize("survive", [0, 1])
def test_interrupted_it_leaves_no_topics_without_how_far_they_were_read(settings, monkeypatch, survive):
    admin = Admin(settings, survive)
    monkeypatch.setattr("stream_worker.replay.removal.admin_client", lambda *_: admin)
    with pytest.raises(Killed):
        remove_replay(settings, "r-1")
    topics_left = admin.topics != {"lensnet.candidates"}
    assert not topics_left or len(admin.groups) == 3


def test_it_removes_what_is_its_own(settings, monkeypatch):
    admin = Admin(settings, 2)
    monkeypatch.setattr("stream_worker.replay.removal.admin_client", lambda *_: admin)
    assert len(remove_replay(settings, "r-1")) == 8
    assert (admin.topics, admin.groups) == ({"lensnet.candidates"}, {"live"})
    assert remove_replay(settings, "r-1") == []
