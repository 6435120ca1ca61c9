"""The broker dies in the middle of a backlog and comes back: the worker waits, nothing is lost or doubled."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from support.candidates import make_candidates
from support.stream import Stream

from stream_worker.dev_kafka import kafka_node
from stream_worker.local_stream.processes import start_worker, stopping

CANDIDATES = 600


@pytest.mark.timeout(280)
def test_a_broker_killed_while_a_backlog_is_worked_off(tmp_path):
    with kafka_node() as node:
        stream = Stream(node.bootstrap_servers, "load-", partitions=3, transaction_timeout_ms=60_000)
        stream.produce(make_candidates(CANDIDATES, seed=11))
        worker = start_worker("score", {**stream.environ, "LENSNET_LOOP__MAX_RECORDS": "10"}, tmp_path)
        with stopping([worker], lambda *_: None):
            stream.wait(lambda books: sum(books[0].outcomes.values()) >= 30, [worker], 60)
            node.kill()
            time.sleep(6)
            assert worker.process.poll() is None, worker.tail()
            node.start()
            stream.wait(lambda books: sum(books[0].outcomes.values()) >= CANDIDATES, [worker], 150)
            worker.process.terminate()
            assert worker.process.wait(60) == 0, worker.tail()
        book = stream.books()[0]
        assert book.balanced
        assert book.outcomes == {"SCORED": CANDIDATES}
        home = Counter(s["candidate_id"] for s in stream.read("scores", "score") if not s["halo"])
        assert len(home) == CANDIDATES
        assert set(home.values()) == {1}
