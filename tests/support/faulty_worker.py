"""A real worker whose producer kills the process, -9, at one chosen moment of one transaction.

Run as ``python faulty_worker.py STAGE`` with FAULT="point:transaction" in the environment.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from stream_worker.kafka.clients import transactional_producer
from stream_worker.plans import deduplicate_plan, score_plan
from stream_worker.settings import load_settings
from stream_worker.worker import run_worker

POINTS = ("begun", "produced", "flushed", "offsets_sent", "committed")
"""begun: nothing sent; produced: some records queued; flushed: all with the broker, offsets not;
offsets_sent: between send_offsets and commit; committed: just after the commit returned."""


class KillingProducer:
    """Passes every call on to the real producer until the chosen moment.

    A transaction may be aborted before it gets there (a rebalance): then the next one is struck.
    """

    def __init__(self, real: Any, point: str, transaction: int) -> None:
        self._real, self._point, self._left = real, point, transaction

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def begin_transaction(self) -> None:
        self._left -= 1
        self._real.begin_transaction()
        self._die_at("begun")

    def produce(self, *args: Any, **options: Any) -> None:
        self._real.produce(*args, **options)
        self._die_at("produced")

    def send_offsets_to_transaction(self, *args: Any) -> None:
        if self._left <= 0 and self._point == "flushed":
            self._real.flush()
            self._die_at("flushed")
        self._real.send_offsets_to_transaction(*args)
        if self._left <= 0 and self._point == "offsets_sent":
            self._real.flush()
            self._die_at("offsets_sent")

    def commit_transaction(self, *args: Any) -> None:
        self._real.commit_transaction(*args)
        self._die_at("committed")

    def _die_at(self, point: str) -> None:
        if self._left <= 0 and self._point == point:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    point, transaction = os.environ.pop("FAULT").split(":")
    assert point in POINTS, point
    settings = load_settings(os.environ)
    plan = {"score": score_plan, "deduplicate": deduplicate_plan}[sys.argv[1]](settings)
    return run_worker(
        plan,
        settings,
        producer_factory=lambda *args: KillingProducer(
            transactional_producer(*args), point, int(transaction)
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
