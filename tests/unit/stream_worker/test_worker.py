from __future__ import annotations

from threading import Event

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream_worker import worker
from stream_worker.plans import deduplicate_plan, score_plan
from stream_worker.settings import Settings
from stream_worker.worker import StartupFaults, _check_topics

SETTINGS = Settings.model_validate({"kafka": {"bootstrap_servers": "127.0.0.1:9"}})
ALL = dict.fromkeys(SETTINGS.topics.model_dump().values(), 6)
AWAY = KafkaException(KafkaError(KafkaError._TRANSPORT))


class Ear:
    def __init__(self, stop=None):
        self.unreachable, self.stop = 0, stop

    def broker_unreachable(self):
        self.unreachable += 1
        if self.stop is not None:
            self.stop.set()


@pytest.fixture
def answers(monkeypatch):
    script = []

    def partition_counts(_admin, names, _timeout_s):
        answer = script.pop(0)
        if isinstance(answer, KafkaException):
            raise answer
        return {name: answer[name] for name in names if name in answer}

    monkeypatch.setattr(worker, "partition_counts", partition_counts)
    return script


def test_a_broker_that_goes_away_before_it_names_its_topics_is_waited_for(answers):
    answers += [AWAY, ALL]
    ear = Ear()
    assert _check_topics(score_plan(SETTINGS), SETTINGS, ear, Event())
    assert ear.unreachable == 1


def test_a_stop_ends_the_wait(answers):
    answers.append(AWAY)
    stop = Event()
    assert not _check_topics(score_plan(SETTINGS), SETTINGS, Ear(stop), stop)


def test_missing_topics_and_differing_partitions_are_listed_together(answers):
    topics = SETTINGS.topics
    answers.append({name: n for name, n in ALL.items() if name != topics.scored} | {topics.neighbours: 5})
    with pytest.raises(StartupFaults) as refused:
        _check_topics(deduplicate_plan(SETTINGS), SETTINGS, Ear(), Event())
    assert refused.value.faults == [
        "topics that do not exist: lensnet.scored (stream-worker topics create)",
        "partitions differ, expected as many: lensnet.scores 6, lensnet.neighbours 5",
    ]
