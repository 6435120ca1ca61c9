from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream_worker.kafka.errors import ProducerFatal, TransactionAborted
from stream_worker.kafka.records import Batch, OutputRecord
from stream_worker.kafka.transaction import KafkaTransactions

RETRIABLE = KafkaError(KafkaError._TIMED_OUT, "slow", False, True, False)
ABORTABLE = KafkaError(KafkaError.ILLEGAL_GENERATION, "rebalanced", False, False, True)
FENCED = KafkaError(KafkaError._FENCED, "fenced", True, False, False)
BATCH = Batch([], "metadata", {("in", 1): 5}, {("in", 1): 8})
OUTPUTS = [OutputRecord("out", b"k", b"v"), OutputRecord("out", b"k", b"w", partition=3)]


class Producer:
    """Plays a script: the errors that each call raises before it succeeds."""

    def __init__(self, **script):
        self.script = {name: list(errors) for name, errors in script.items()}
        self.calls = []

    def _call(self, name, *detail):
        self.calls.append((name, *detail))
        errors = self.script.get(name)
        if errors:
            error = errors.pop(0)
            raise error if isinstance(error, Exception) else KafkaException(error)

    def init_transactions(self, timeout=-1):
        self._call("init")

    def begin_transaction(self):
        self._call("begin")

    def produce(self, topic, value=None, key=None, partition=-1, *, headers=None):
        self._call("produce", value, partition)

    def poll(self, timeout=-1):
        self._call("poll")

    def send_offsets_to_transaction(self, positions, group_metadata, timeout=-1):
        self._call("offsets", [(p.topic, p.partition, p.offset) for p in positions], group_metadata)

    def commit_transaction(self, timeout=-1):
        self._call("commit")

    def abort_transaction(self, timeout=-1):
        self._call("abort")

    def names(self):
        return [call[0] for call in self.calls]


def clock(step=1.0):
    time = [0.0]

    def monotonic():
        time[0] += step
        return time[0]

    return monotonic


def transactions(producer, step=0.01, **options):
    return KafkaTransactions(producer, timeout_s=10, monotonic=clock(step), pause=lambda _: None, **options)


def test_outputs_then_offsets_with_the_captured_metadata_then_commit():
    producer = Producer()
    transactions(producer).commit(OUTPUTS, BATCH)
    assert producer.calls == [
        ("begin",),
        ("produce", b"v", -1),
        ("produce", b"w", 3),
        ("offsets", [("in", 1, 8)], "metadata"),
        ("commit",),
    ]


def test_a_full_local_queue_is_waited_for():
    producer = Producer(produce=[BufferError()])
    transactions(producer).commit(OUTPUTS, BATCH)
    assert producer.names() == ["begin", "produce", "poll", "produce", "produce", "offsets", "commit"]


@pytest.mark.parametrize("call", ["offsets", "commit"])
def test_retriable_errors_repeat_the_same_call(call):
    producer = Producer(**{call: [RETRIABLE, RETRIABLE]})
    transactions(producer).commit(OUTPUTS, BATCH)
    assert producer.names().count(call) == 3
    assert "abort" not in producer.names()


@pytest.mark.parametrize("call", ["begin", "produce", "offsets", "commit"])
def test_abortable_errors_abort(call):
    producer = Producer(**{call: [ABORTABLE]})
    with pytest.raises(TransactionAborted, match="rebalanced"):
        transactions(producer).commit(OUTPUTS, BATCH)
    assert producer.names()[-1] == "abort"


def test_what_stays_retriable_too_long_is_aborted():
    producer = Producer(offsets=[RETRIABLE] * 100)
    with pytest.raises(TransactionAborted, match="slow"):
        transactions(producer, step=1.0).commit(OUTPUTS, BATCH)
    assert producer.names()[-1] == "abort"


def test_a_commit_on_its_way_is_never_let_go():
    """An abort would be refused while it runs, and an outcome that is not known can't be written again."""
    retries = []
    producer = Producer(commit=[RETRIABLE] * 100)
    transactions(producer, step=1.0, on_retry=lambda: retries.append(1)).commit(OUTPUTS, BATCH)
    assert "abort" not in producer.names()
    assert len(retries) == 100


def test_a_stop_leaves_an_undecided_commit_to_the_broker():
    producer = Producer(commit=[RETRIABLE] * 100)
    with pytest.raises(ProducerFatal, match="undecided"):
        transactions(producer, step=1.0, should_stop=lambda: True).commit(OUTPUTS, BATCH)
    assert "abort" not in producer.names()


@pytest.mark.parametrize("call", ["begin", "produce", "offsets", "commit"])
def test_a_fenced_producer_is_fatal_and_not_used_again(call):
    producer = Producer(**{call: [FENCED]})
    with pytest.raises(ProducerFatal, match="fenced"):
        transactions(producer).commit(OUTPUTS, BATCH)
    assert producer.names()[-1] == call


def test_an_abort_that_fails_is_fatal():
    producer = Producer(commit=[ABORTABLE], abort=[RETRIABLE, FENCED])
    with pytest.raises(ProducerFatal, match="abort"):
        transactions(producer).commit(OUTPUTS, BATCH)


def test_an_abort_waits_for_the_broker():
    retries = []
    producer = Producer(commit=[ABORTABLE], abort=[RETRIABLE] * 40)
    with pytest.raises(TransactionAborted, match="rebalanced"):
        transactions(producer, step=10.0, on_retry=lambda: retries.append(1)).commit(OUTPUTS, BATCH)
    assert len(retries) == 40


def test_a_stop_ends_the_wait_for_an_abort():
    retries = []
    producer = Producer(commit=[ABORTABLE], abort=[RETRIABLE] * 40)
    made = transactions(producer, should_stop=lambda: len(retries) > 2, on_retry=lambda: retries.append(1))
    with pytest.raises(TransactionAborted):
        made.commit(OUTPUTS, BATCH)
    assert producer.names().count("abort") == 3


def test_opening_waits_for_the_broker_and_can_be_stopped():
    retries = []
    producer = Producer(init=[RETRIABLE, RETRIABLE])
    assert transactions(producer, on_retry=lambda: retries.append(1)).open()
    assert len(retries) == 2
    unreachable = Producer(init=[RETRIABLE] * 9)
    made = transactions(unreachable, should_stop=lambda: len(retries) > 3, on_retry=lambda: retries.append(1))
    assert not made.open()


def test_a_refused_transactional_id_is_fatal():
    with pytest.raises(ProducerFatal):
        transactions(Producer(init=[FENCED])).open()
