"""How a replay through topics is begun, and goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream_worker.archives import open_archives
from stream_worker.bundle import load_bundle
from stream_worker.replay.checkpoint import CheckpointError
from stream_worker.replay.names import replay_settings
from stream_worker.replay.plan import plan_replay
from stream_worker.replay.selection import Selection
from stream_worker.replay.topic import Through, begin_at


@pytest.fixture
def plan(archive, settings):
    return plan_replay(open_archives([archive]).archives, Selection(), load_bundle(settings.bundle), settings)


@pytest.fixture
def through(settings, plan):
    own = replay_settings(settings, plan.replay_id)
    return Through(own, 1, 1, 0, 1.0, resume=True, skip_faults=False)


def test_it_goes_on_only_with_what_it_was_begun_with(plan, through, settings):
    note = replace(begin_at(plan, through, None), chunk=1)
    assert begin_at(plan, through, note) == note
    with pytest.raises(CheckpointError, match=r"was begun before .*go on with --resume"):
        begin_at(plan, replace(through, resume=False), note)
    with pytest.raises(CheckpointError, match="was begun with other archives"):
        begin_at(replace(plan, pins={**plan.pins, "chunk": 1}), through, note)


def test_it_does_not_go_on_to_another_topic(plan, through, settings):
    note = replace(begin_at(plan, through, None), chunk=1)
    with pytest.raises(CheckpointError, match=r"was begun with other archives, .* or topics"):
        begin_at(plan, replace(through, settings=settings), note)


def test_what_was_skipped_is_not_passed_over_when_faults_are_to_stop_it(plan, through):
    note = replace(begin_at(plan, through, None), chunk=1, faults=("a.avro: block 1: broken off",))
    with pytest.raises(
        CheckpointError, match=r"went on without a.avro: block 1: broken off: .*--on-fault skip"
    ):
        begin_at(plan, through, note)
    assert begin_at(plan, replace(through, skip_faults=True), note) == note
