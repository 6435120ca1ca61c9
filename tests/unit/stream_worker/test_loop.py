from __future__ import annotations

from threading import Event

import pytest

from stream_worker.kafka.errors import ProducerFatal, TransactionAborted
from stream_worker.kafka.records import Batch, OutputRecord, SourceRecord
from stream_worker.loop import RetryLater, run_loop
from stream_worker.settings import LoopSettings


class FakeLog:
    """Source and sink over one list, with the semantics of a partition and a transaction."""

    def __init__(self, values, stop, failures=()):
        self.values, self.stop, self.failures = values, stop, list(failures)
        self.position, self.written, self.commits, self.rewinds = 0, [], 0, 0

    def poll_batch(self):
        if self.position >= len(self.values):
            self.stop.set()
            return None
        records = [
            SourceRecord("in", 0, offset, None, value)
            for offset, value in enumerate(self.values[self.position : self.position + 3], self.position)
        ]
        start, self.position = self.position, self.position + len(records)
        return Batch(records, None, {("in", 0): start}, {("in", 0): self.position})

    def rewind(self, batch):
        self.rewinds += 1
        self.position = batch.start_offsets["in", 0]

    def close(self):
        pass

    def commit(self, outputs, batch):
        if self.failures:
            failure = self.failures.pop(0)
            if failure is not None:
                raise failure
        self.written += [output.value for output in outputs]
        self.commits += 1


class Upper:
    name = "upper"

    def __init__(self, failures=()):
        self.failures = list(failures)

    def process(self, records):
        if self.failures:
            failure = self.failures.pop(0)
            if failure is not None:
                raise failure
        return [OutputRecord("out", None, record.value.upper()) for record in records]


class Ear:
    def __init__(self):
        self.beats, self.batches, self.aborts, self.steps = 0, 0, [], []

    def beat(self):
        self.beats += 1

    def committed(self, batch, outputs):
        self.batches += 1

    def aborted(self, reason):
        self.aborts.append(reason)

    def step(self, name, seconds):
        assert seconds >= 0
        self.steps.append(name)


def run(stage, log, stop, waits):
    ear = Ear()
    run_loop(stage, log, log, ear, stop, LoopSettings(), wait=waits.append)
    return ear


VALUES = [bytes([c]) for c in b"abcdefgh"]


def test_everything_is_written_once_in_order():
    stop = Event()
    log, waits = FakeLog(VALUES, stop), []
    ear = run(Upper(), log, stop, waits)
    assert b"".join(log.written) == b"ABCDEFGH"
    assert (ear.batches, ear.aborts, waits) == (3, [], [])
    assert ear.beats == 4
    assert ear.steps == ["process", "transaction"] * 3


def test_aborted_transactions_are_rewound_and_backed_off_from():
    stop = Event()
    aborts = [TransactionAborted("one"), TransactionAborted("two"), None, TransactionAborted("three")]
    log, waits = FakeLog(VALUES, stop, aborts), []
    ear = run(Upper(), log, stop, waits)
    assert b"".join(log.written) == b"ABCDEFGH"
    assert ear.aborts == ["one", "two", "three"]
    assert waits == [0.2, 0.4, 0.2]
    assert log.rewinds == 3


def test_a_dependency_out_of_reach_loses_nothing():
    stop = Event()
    log, waits = FakeLog(VALUES, stop), []
    ear = run(Upper([RetryLater("registry"), None, RetryLater("registry")]), log, stop, waits)
    assert b"".join(log.written) == b"ABCDEFGH"
    assert ear.aborts == ["registry", "registry"]


def test_backoff_is_bounded():
    stop = Event()
    log, waits = FakeLog(VALUES[:1], stop, [TransactionAborted("x")] * 20), []
    run(Upper(), log, stop, waits)
    assert max(waits) == LoopSettings().backoff_max_s


def test_fatal_errors_end_the_loop():
    stop = Event()
    log = FakeLog(VALUES, stop, [None, ProducerFatal("fenced")])
    with pytest.raises(ProducerFatal, match="fenced"):
        run(Upper(), log, stop, [])
    assert b"".join(log.written) == b"ABC"


def test_stop_finishes_the_batch_in_hand():
    stop = Event()
    log = FakeLog(VALUES, stop)

    class StopsWhileProcessing(Upper):
        def process(self, records):
            stop.set()
            return super().process(records)

    run(StopsWhileProcessing(), log, stop, [])
    assert b"".join(log.written) == b"ABC"


class Memory:
    """A state that has something to write on the first idle poll."""

    def __init__(self):
        self.events, self.waiting = [], True

    def due(self):
        return self.waiting

    def committed(self):
        self.events.append("committed")

    def rewound(self):
        self.events.append("rewound")


def test_a_state_follows_the_transactions_and_writes_when_idle():
    stop, memory = Event(), Memory()

    class Idle(FakeLog):
        def poll_batch(self):
            batch = super().poll_batch()
            if batch is None and memory.waiting:
                self.stop.clear()
            return batch

        def empty_batch(self):
            memory.waiting = False
            self.stop.set()
            return Batch((), "metadata", {}, {("in", 0): self.position})

    log = Idle([b"a"], stop, failures=[TransactionAborted("x"), None])
    run_loop(Upper(), log, log, Ear(), stop, LoopSettings(), state=memory, wait=lambda _: None)
    assert memory.events == ["rewound", "committed", "committed"]
    assert log.commits == 2
