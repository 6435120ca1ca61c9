from __future__ import annotations

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition
from structlog.testing import capture_logs

from stream_worker.kafka.consumer import GroupSource
from stream_worker.kafka.errors import ConsumerFatal
from stream_worker.kafka.reading import settled_after_s
from stream_worker.settings import KafkaSettings, LoopSettings


class FakeMessage:
    def __init__(self, partition, offset, value=b"v", error=None, headers=None):
        self._ = (partition, offset, value, error, headers)

    def topic(self):
        return "in"

    def partition(self):
        return self._[0]

    def offset(self):
        return self._[1]

    def value(self):
        return self._[2]

    def error(self):
        return self._[3]

    def headers(self):
        return self._[4]

    def key(self):
        return b"k"

    def timestamp(self):
        return (1, 1234)

    def __len__(self):
        return len(self._[2] or b"")


class Ear:
    def __init__(self):
        self.counts, self.begun, self.lost = [], [], []
        self.beats, self.unreachable = 0, 0

    def beat(self):
        self.beats += 1

    def broker_unreachable(self):
        self.unreachable += 1

    def assigned(self, partitions, begun):
        self.counts.append(len(partitions))
        self.begun.append(dict(begun))

    def records_lost(self, topic, records):
        self.lost.append((topic, records))


class FakeConsumer:
    """Hands out messages; callables in the script run inside the poll, as rebalance callbacks do."""

    def __init__(self, script):
        self.script, self.seeks, self.callbacks, self.closed = list(script), [], {}, False
        self.low, self.end, self.away = {}, 10**9, set()
        self.out_of_range = set()

    def subscribe(self, topics, on_assign, on_revoke, on_lost):
        self.callbacks = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost}

    def poll(self, timeout):
        if not self.script:
            return None
        step = self.script.pop(0)
        return step(self) if callable(step) else step

    def rebalance(self, kind, *partitions):
        self.callbacks[kind](self, [TopicPartition("in", p) for p in partitions])

    def committed(self, partitions, timeout):
        return [TopicPartition("in", p.partition, -1001) for p in partitions]

    def get_watermark_offsets(self, partition, timeout):
        if partition.partition in self.away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return self.low.get(partition.partition, 0), self.end

    def incremental_assign(self, partitions):
        self.assigned = [(p.partition, p.offset) for p in partitions]

    def incremental_unassign(self, partitions):
        self.unassigned = [p.partition for p in partitions]

    def consumer_group_metadata(self):
        return "metadata"

    def seek(self, partition):
        if partition.partition in self.out_of_range:
            raise KafkaException(KafkaError(KafkaError._STATE))
        self.seeks.append((partition.partition, partition.offset))

    def close(self):
        self.closed = True


def source(script, **limits):
    time = [0.0]

    def monotonic():
        time[0] += 0.01
        return time[0]

    consumer = FakeConsumer(script)
    ear = Ear()
    made = GroupSource(consumer, "in", LoopSettings(**limits), ear, offsets_timeout_s=30, monotonic=monotonic)
    return made, consumer, ear.counts


def rebalance(kind, *partitions):
    def step(consumer):
        consumer.rebalance(kind, *partitions)

    return step


def test_a_batch_carries_its_offsets_and_the_group_metadata():
    made, _, _ = source([FakeMessage(0, 5), FakeMessage(1, 9), FakeMessage(0, 7)])
    batch = made.poll_batch()
    assert [(r.partition, r.offset) for r in batch.records] == [(0, 5), (1, 9), (0, 7)]
    assert batch.start_offsets == {("in", 0): 5, ("in", 1): 9}
    assert batch.next_offsets == {("in", 0): 8, ("in", 1): 10}
    assert batch.group_metadata == "metadata"
    assert batch.records[0].timestamp == 1234


def test_limits_on_records_and_bytes():
    made, consumer, _ = source([FakeMessage(0, i) for i in range(9)], max_records=4)
    assert len(made.poll_batch().records) == 4
    assert len(consumer.script) == 5
    made, _, _ = source([FakeMessage(0, i, bytes(2**20)) for i in range(9)], max_bytes=2**21)
    assert len(made.poll_batch().records) == 2


def test_nothing_to_do_is_none():
    made, _, _ = source([])
    assert made.poll_batch() is None


@pytest.mark.parametrize("kind", ["revoke", "lost"])
def test_records_of_a_partition_taken_away_while_gathering_are_dropped(kind):
    script = [
        rebalance("assign", 0, 1),
        FakeMessage(0, 5),
        FakeMessage(1, 6),
        rebalance(kind, 0),
        FakeMessage(1, 7),
    ]
    made, _, counts = source(script)
    batch = made.poll_batch()
    assert [(r.partition, r.offset) for r in batch.records] == [(1, 6), (1, 7)]
    assert batch.next_offsets == {("in", 1): 8}
    assert counts == [2, 1]


def test_a_batch_that_is_all_taken_away_is_none():
    made, _, _ = source([rebalance("assign", 0), FakeMessage(0, 5), rebalance("lost", 0)])
    assert made.poll_batch() is None


def test_rewind_seeks_only_what_is_still_assigned():
    made, consumer, _ = source([rebalance("assign", 0, 1), FakeMessage(0, 5), FakeMessage(1, 6)])
    batch = made.poll_batch()
    consumer.rebalance("revoke", 1)
    made.rewind(batch)
    assert consumer.seeks == [(0, 5)]


def test_passing_errors_are_waited_out_and_refusals_are_fatal():
    made, _, _ = source([FakeMessage(0, 0, error=KafkaError(KafkaError._TRANSPORT)), FakeMessage(0, 1)])
    assert len(made.poll_batch().records) == 1
    made, _, _ = source([FakeMessage(0, 0, error=KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))])
    with pytest.raises(ConsumerFatal, match="GROUP_AUTHORIZATION_FAILED"):
        made.poll_batch()


def test_a_tombstone_is_an_empty_value_and_headers_survive():
    made, _, _ = source([FakeMessage(0, 0, value=None, headers=[("a", b"1"), ("b", None)])])
    (record,) = made.poll_batch().records
    assert record.value == b""
    assert record.headers == (("a", b"1"), ("b", None))
    assert record.header("a") == "1"
    assert record.header("b") is None


def test_headers_the_client_cannot_return_do_not_stop_the_record():
    class OddHeaders(FakeMessage):
        def headers(self):
            raise SystemError("returned a result with an exception set")

    made, _, _ = source([OddHeaders(0, 0), FakeMessage(0, 1)])
    records = made.poll_batch().records
    assert [r.offset for r in records] == [0, 1]
    assert records[0].headers == ()


class FakeState:
    def __init__(self):
        self.events = []

    def restore(self, partitions):
        self.events.append(("restore", *partitions))

    def drop(self, partitions):
        self.events.append(("drop", *partitions))

    def idle_s(self):
        return 1.0


class StatefulConsumer(FakeConsumer):
    """Knows committed offsets; unstable ones are asked for again."""

    def __init__(self, script, committed):
        super().__init__(script)
        self.answers, self.assigned = committed, []

    def committed(self, partitions, timeout):
        answer = self.answers.pop(0)
        if isinstance(answer, KafkaError):
            raise KafkaException(answer)
        return [TopicPartition("in", p.partition, answer[p.partition]) for p in partitions]


def stateful(script, *committed):
    consumer, state = StatefulConsumer(script, list(committed)), FakeState()
    made = GroupSource(consumer, "in", LoopSettings(), Ear(), offsets_timeout_s=30, state=state)
    return made, consumer, state


def test_state_is_restored_after_the_offsets_are_stable_and_before_the_first_record():
    unstable = KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT)
    made, consumer, state = stateful(
        [rebalance("assign", 0, 1), FakeMessage(0, 7)], unstable, {0: 7, 1: -1001}
    )
    batch = made.poll_batch()
    assert state.events == [("restore", 0, 1)]
    assert consumer.assigned == [(0, 7), (1, OFFSET_BEGINNING)]
    assert batch.next_offsets == {("in", 0): 8}


def test_an_empty_batch_commits_the_present_positions_again():
    made, _, state = stateful([rebalance("assign", 0, 1), FakeMessage(1, 3)], {0: 7, 1: 3})
    batch = made.poll_batch()
    assert made.empty_batch().next_offsets == {("in", 0): 7, ("in", 1): 4}
    made.rewind(batch)
    assert made.empty_batch().next_offsets == {("in", 0): 7, ("in", 1): 3}
    made._consumer.script.append(rebalance("revoke", 1))
    assert made.poll_batch() is None
    assert state.events[-1] == ("drop", 1)
    assert made.empty_batch().next_offsets == {("in", 0): 7}
    assert made.empty_batch().group_metadata == "metadata"


def test_a_state_that_cannot_be_restored_is_fatal():
    denied = KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)
    made, _, _ = stateful([rebalance("assign", 0)], denied)
    with pytest.raises(ConsumerFatal, match="committed offsets or state not read"):
        made.poll_batch()


def test_what_was_handed_out_is_not_handed_out_again_unless_it_was_taken_back():
    again = [FakeMessage(0, offset) for offset in (10, 11, 12)]
    made, _, _ = source(
        [rebalance("assign", 0, 1), *again[:2], rebalance("assign"), *again, *again, FakeMessage(0, 13)],
        max_records=3,
    )
    first = made.poll_batch()
    assert [record.offset for record in first.records] == [10, 11, 12]
    second = made.poll_batch()
    assert [record.offset for record in second.records] == [13]
    assert second.start_offsets == {("in", 0): 13}


def test_a_batch_taken_back_and_a_partition_lost_and_regained_are_read_anew():
    some = [FakeMessage(0, offset) for offset in (10, 11)]
    made, consumer, _ = source([rebalance("assign", 0), *some], max_records=2)
    first = made.poll_batch()
    made.rewind(first)
    consumer.script = list(some)
    assert [record.offset for record in made.poll_batch().records] == [10, 11]
    consumer.script = [rebalance("revoke", 0), rebalance("assign", 0), *some]
    assert [record.offset for record in made.poll_batch().records] == [10, 11]


def test_a_stage_without_state_begins_at_stable_committed_offsets_too():
    """A client that began at the first record instead (its look-up was interrupted) is not believed."""
    unstable = KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT)
    script = [rebalance("assign", 5), *(FakeMessage(5, offset) for offset in (0, 1, 60))]
    consumer = StatefulConsumer(script, [unstable, {5: 60}])
    made = GroupSource(consumer, "in", LoopSettings(), Ear(), offsets_timeout_s=30)
    assert [record.offset for record in made.poll_batch().records] == [60]
    assert consumer.assigned == [(5, 60)]


def test_offsets_are_waited_for_as_long_as_a_transaction_may_stay_open():
    class StillOpen(FakeConsumer):
        def committed(self, partitions, timeout):
            asked.append(timeout)
            raise KafkaException(KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT))

    asked = []
    consumer = StillOpen([rebalance("assign", 0)])
    made = GroupSource(consumer, "in", LoopSettings(), Ear(), offsets_timeout_s=0.5)
    with pytest.raises(ConsumerFatal, match="UNSTABLE_OFFSET_COMMIT"):
        made.poll_batch()
    assert len(asked) > 1
    assert set(asked) == {0.5}
    kafka = KafkaSettings(bootstrap_servers="b:1", transaction_timeout_ms=600_000)
    assert settled_after_s(kafka) > 600


def test_a_batch_commits_the_positions_of_partitions_without_records_too():
    """A stage may write of any of its partitions; the next one to have it must see that as pending."""
    made, _, _ = stateful([rebalance("assign", 0, 1), FakeMessage(0, 7)], {0: 7, 1: 3})
    batch = made.poll_batch()
    assert batch.start_offsets == {("in", 0): 7}
    assert batch.next_offsets == {("in", 0): 8, ("in", 1): 3}
    made.rewind(batch)
    assert made.empty_batch().next_offsets == {("in", 0): 7, ("in", 1): 3}


def test_a_topic_that_ends_before_what_was_committed_stops_the_worker():
    script = [rebalance("assign", 0), FakeMessage(0, 0)]
    made, consumer, _ = stateful(script, {0: 1000})
    consumer.end = 400
    with pytest.raises(ConsumerFatal, match=r"in\[0\] ends at 400, records up to 1000 were committed"):
        made.poll_batch()
    made, consumer, _ = stateful([*script, FakeMessage(0, 1), FakeMessage(0, 1000)], {0: 1000})
    consumer.end = 1001
    assert [record.offset for record in made.poll_batch().records] == [1000]


def test_records_that_retention_took_before_they_were_read_are_told_once():
    consumer = StatefulConsumer([rebalance("assign", 0, 1, 2)], [{0: 14, 1: 31, 2: -1001}, {0: 14}])
    consumer.low = {0: 31, 1: 31, 2: 9}
    ear = Ear()
    made = GroupSource(consumer, "in", LoopSettings(), ear, offsets_timeout_s=30)
    with capture_logs() as logs:
        assert made.poll_batch() is None
        consumer.script = [rebalance("revoke", 0), rebalance("assign", 0), FakeMessage(0, 31)]
        batch = made.poll_batch()
    told = {"event": "records lost to retention", "log_level": "error", "topic": "in", "partition": 0}
    assert [line for line in logs if line["log_level"] == "error"] == [told | {"first": 14, "last": 30}]
    assert ear.lost == [("in", 17)]
    assert consumer.assigned == [(0, 31)]
    assert ear.begun == [{("in", 0): 31, ("in", 1): 31}, {}, {("in", 0): 31}]
    assert batch.next_offsets == {("in", 0): 32, ("in", 1): 31}


OUT_OF_RANGE = KafkaError(KafkaError._AUTO_OFFSET_RESET)


def test_records_that_retention_takes_while_a_worker_runs_are_told_and_it_goes_on_behind_them():
    consumer = StatefulConsumer(
        [rebalance("assign", 0, 1), FakeMessage(0, 14), FakeMessage(1, 5)], [{0: 14, 1: 5}]
    )
    ear = Ear()
    made = GroupSource(consumer, "in", LoopSettings(), ear, offsets_timeout_s=30)
    batch = made.poll_batch()
    made.rewind(batch)
    consumer.script = [FakeMessage(0, 14, error=OUT_OF_RANGE), FakeMessage(1, 5)]
    consumer.low = {0: 31}
    assert made.poll_batch().next_offsets == {("in", 0): 14, ("in", 1): 6}
    consumer.script = [FakeMessage(0, 31)]
    with capture_logs() as logs:
        assert made.poll_batch().next_offsets == {("in", 0): 32, ("in", 1): 6}
    told = {"event": "records lost to retention", "log_level": "error", "topic": "in", "partition": 0}
    assert logs == [told | {"first": 14, "last": 30}]
    assert ear.lost == [("in", 17)]
    assert (consumer.unassigned, consumer.assigned) == ([0], [(0, 31)])


def test_a_position_out_of_range_waits_for_a_broker_and_is_forgotten_with_its_partition():
    consumer = StatefulConsumer([rebalance("assign", 0), FakeMessage(0, 14)], [{0: 14}])
    ear = Ear()
    made = GroupSource(consumer, "in", LoopSettings(), ear, offsets_timeout_s=30)
    made.poll_batch()
    consumer.script = [FakeMessage(0, 15, error=OUT_OF_RANGE)]
    assert made.poll_batch() is None
    consumer.away = {0}
    assert made.poll_batch() is None
    assert ear.unreachable == 1
    consumer.script = [rebalance("revoke", 0)]
    assert made.poll_batch() is None
    consumer.away = set()
    consumer.assigned = None
    assert made.poll_batch() is None
    assert (consumer.assigned, ear.lost) == (None, [])


def test_a_batch_is_rewound_though_the_topic_no_longer_has_its_records():
    consumer = StatefulConsumer(
        [rebalance("assign", 0, 1), FakeMessage(0, 14), FakeMessage(1, 5)], [{0: 14, 1: 5}]
    )
    ear = Ear()
    made = GroupSource(consumer, "in", LoopSettings(), ear, offsets_timeout_s=30)
    batch = made.poll_batch()
    consumer.out_of_range, consumer.low = {0}, {0: 31}  # the client knows, and has told nobody
    made.rewind(batch)
    assert consumer.seeks == [(1, 5)]
    consumer.script = [FakeMessage(0, 31), FakeMessage(0, 15, error=OUT_OF_RANGE)]
    batch = made.poll_batch()
    assert batch.start_offsets == {("in", 0): 31}
    made.rewind(batch)  # told in the batch that is taken back: nobody seeks
    consumer.script = [FakeMessage(0, 31)]
    assert made.poll_batch().start_offsets == {("in", 0): 31}
    assert consumer.seeks == [(1, 5)]
    assert consumer.assigned == [(0, 31)]
    assert ear.lost == [("in", 17)]


def test_a_partition_without_a_broker_does_not_hold_up_another_that_is_out_of_range():
    consumer = StatefulConsumer([rebalance("assign", 0, 1)], [{0: 14, 1: 5}])
    made = GroupSource(consumer, "in", LoopSettings(), Ear(), offsets_timeout_s=30)
    made.poll_batch()
    consumer.script = [FakeMessage(0, 14, error=OUT_OF_RANGE), FakeMessage(1, 5, error=OUT_OF_RANGE)]
    made.poll_batch()
    consumer.away, consumer.low = {0}, {1: 9}
    made.poll_batch()
    consumer.script = [FakeMessage(1, 9)]
    assert made.poll_batch().next_offsets == {("in", 0): 14, ("in", 1): 10}
    assert consumer.assigned == [(1, 9)]


def test_a_late_word_of_a_partition_that_is_gone_is_not_heeded():
    script = [rebalance("assign", 0), rebalance("revoke", 0), FakeMessage(0, 14, error=OUT_OF_RANGE)]
    consumer = StatefulConsumer(script, [{0: 14}])
    made = GroupSource(consumer, "in", LoopSettings(), Ear(), offsets_timeout_s=30)
    assert made.poll_batch() is None
    consumer.assigned = None
    assert made.poll_batch() is None
    assert consumer.assigned is None


def test_an_assignment_that_comes_while_it_closes_does_not_keep_it():
    consumer = StatefulConsumer([], [KafkaError(KafkaError._TIMED_OUT)] * 5)
    made = GroupSource(consumer, "in", LoopSettings(), Ear(), offsets_timeout_s=30, pause=lambda _: None)
    close = consumer.close

    def close_after_a_rebalance():
        rebalance("assign", 0)(consumer)
        close()

    consumer.close = close_after_a_rebalance
    made.close()
    assert consumer.closed
    assert consumer.assigned == []


def test_a_new_group_whose_first_records_vanish_begins_with_those_that_are_left():
    consumer = StatefulConsumer([rebalance("assign", 0), FakeMessage(0, 0, error=OUT_OF_RANGE)], [{0: -1001}])
    ear = Ear()
    made = GroupSource(consumer, "in", LoopSettings(), ear, offsets_timeout_s=30)
    assert made.poll_batch() is None
    consumer.script = [FakeMessage(0, 9)]
    assert made.poll_batch().next_offsets == {("in", 0): 10}
    assert (consumer.assigned, ear.lost) == ([(0, OFFSET_BEGINNING)], [])


def test_a_topic_made_anew_while_a_worker_runs_stops_it():
    consumer = StatefulConsumer([rebalance("assign", 0), FakeMessage(0, 14)], [{0: 14}])
    made = GroupSource(consumer, "in", LoopSettings(), Ear(), offsets_timeout_s=30)
    made.poll_batch()
    consumer.script, consumer.end = [FakeMessage(0, 15, error=OUT_OF_RANGE)], 3
    made.poll_batch()
    with pytest.raises(ConsumerFatal, match=r"in\[0\] ends at 3, records up to 15 were committed"):
        made.poll_batch()


AWAY = [KafkaError(code) for code in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._WAIT_COORD)]


def test_a_broker_that_is_out_of_reach_at_an_assignment_is_waited_for():
    consumer = StatefulConsumer([rebalance("assign", 0), FakeMessage(0, 7)], [*AWAY[:2], {0: 7}, {0: 7}])
    ear, pauses = Ear(), []

    class AwayState(FakeState):
        def restore(self, partitions):
            super().restore(partitions)
            if len(self.events) == 1:
                raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    state = AwayState()
    made = GroupSource(
        consumer, "in", LoopSettings(), ear, offsets_timeout_s=30, state=state, pause=pauses.append
    )
    assert [record.offset for record in made.poll_batch().records] == [7]
    assert ear.unreachable == 3
    assert ear.beats >= 4
    assert pauses == [0.2, 0.4, 0.8]
    assert state.events == [("restore", 0), ("restore", 0)]


def test_a_stop_ends_the_wait_for_a_broker_and_nothing_is_assigned():
    consumer = StatefulConsumer([rebalance("assign", 0)], [AWAY[0], AWAY[0]])
    ear, stop = Ear(), []
    made = GroupSource(
        consumer,
        "in",
        LoopSettings(),
        ear,
        offsets_timeout_s=30,
        should_stop=lambda: bool(stop),
        pause=stop.append,
    )
    assert made.poll_batch() is None
    assert consumer.assigned == []
    assert ear.counts == []


def test_a_coordinator_that_does_not_come_back_in_time_is_still_waited_for():
    class NoCoordinator(FakeConsumer):
        def committed(self, partitions, timeout):
            raise KafkaException(AWAY[2])

    stop = []
    made = GroupSource(
        NoCoordinator([rebalance("assign", 0)]),
        "in",
        LoopSettings(),
        Ear(),
        offsets_timeout_s=0.1,
        should_stop=lambda: len(stop) > 2,
        pause=stop.append,
    )
    assert made.poll_batch() is None
