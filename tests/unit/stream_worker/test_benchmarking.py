"""What the benchmark makes of settings and time stamps; the rest runs in the integration tests."""

from __future__ import annotations

import pytest

from stream_worker.benchmarking import TooQuick, outcome_rate, own_settings
from stream_worker.settings import Settings, load_settings


def test_the_rate_is_of_what_came_after_the_first_batch():
    times = [1_000] * 10 + [1_020] * 10 + [2_020] * 20 + [3_020] * 20
    assert outcome_rate(times) == pytest.approx(40 / 2.0)


def test_the_order_of_partitions_does_not_matter():
    assert outcome_rate([3_000, 1_000, 2_000]) == outcome_rate([1_000, 2_000, 3_000]) == pytest.approx(1.0)


@pytest.mark.parametrize("times", [[5_000], [5_000] * 50, [5_000, 5_040]])
def test_one_batch_has_no_rate(times):
    with pytest.raises(TooQuick, match="more candidates"):
        outcome_rate(times)


def test_the_settings_given_are_measured_on_topics_of_their_own():
    given = load_settings({}, overrides={"inference": {"max_batch": 3}, "kafka": {"prefetch_bytes": 2**21}})
    own = own_settings(given, given.kafka, 50)
    assert own.inference == given.inference
    assert own.kafka == given.kafka
    assert own.loop.max_records == 12
    assert own_settings(given, given.kafka, 100_000).loop == given.loop
    shared = set(own.topics.model_dump().values()) & set(Settings().topics.model_dump().values())
    assert not shared
    assert own.score.group_id != given.score.group_id
