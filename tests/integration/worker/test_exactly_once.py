"""Two scorers share six partitions while one after the other is killed -9: nothing lost, nothing twice."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from support.candidates import make_candidates
from support.faulty_worker import POINTS
from support.stream import Stream

from stream_worker.local_stream.processes import WorkerProcess, start_worker, stopping

CANDIDATES = 2_000
KILLS = 24
FAULTY = (sys.executable, str(Path(__file__).parents[2] / "support" / "faulty_worker.py"))
SUPPORT = {"PYTHONPATH": str(Path(__file__).parents[2])}


def seeded_faults(seed: int) -> list[str]:
    """Every point at least four times, in seeded order, in the first to third transaction."""
    rng = random.Random(seed)
    points = [*POINTS * (KILLS // len(POINTS)), *rng.choices(POINTS[2:4], k=KILLS % len(POINTS))]
    rng.shuffle(points)
    return [f"{point}:{rng.randint(1, 3)}" for point in points]


@pytest.mark.timeout(600)
@pytest.mark.faults
def test_kill_minus_nine_at_seeded_moments(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    stream = Stream(kafka, topic_prefix, partitions=6, session_timeout_ms=2000, transaction_timeout_ms=3000)
    stream.produce(make_candidates(CANDIDATES, seed=1))
    environ = {
        **stream.environ,
        **SUPPORT,
        "LENSNET_LOOP__MAX_RECORDS": "12",
        "LENSNET_LOOP__MAX_WAIT_MS": "50",
    }
    faults = seeded_faults(seed=7)
    codes: list[int] = []

    def next_worker() -> WorkerProcess:
        if faults:
            return start_worker("score", {**environ, "FAULT": faults.pop()}, tmp_path, command=FAULTY)
        return start_worker("score", environ, tmp_path)

    workers = [next_worker(), next_worker()]
    deadline = time.monotonic() + 480
    with stopping(workers, lambda _name, code: codes.append(code)):
        while len(codes) < KILLS:
            assert time.monotonic() < deadline, f"only {len(codes)} kills, {faults} left"
            for place, worker in enumerate(workers):
                if worker.process.poll() is not None:
                    assert worker.process.returncode == -signal.SIGKILL, worker.tail()
                    codes.append(worker.process.returncode)
                    workers[place] = next_worker()
            time.sleep(0.05)
        stream.wait(lambda books: sum(books[0].outcomes.values()) >= CANDIDATES, workers, timeout_s=240)
    assert codes[:KILLS] == [-signal.SIGKILL] * KILLS
    assert codes[KILLS:] == [0, 0], "the last two workers must drain cleanly"

    scores = stream.read("scores", "score")
    home = [score["candidate_id"] for score in scores if not score["halo"]]
    assert len(home) == CANDIDATES
    assert len(set(home)) == CANDIDATES
    copies = Counter((score["candidate_id"], score["cell"]) for score in scores)
    assert max(copies.values()) == 1

    committed, uncommitted = len(scores), len(stream.raw("scores", isolation="read_uncommitted"))
    assert uncommitted > committed, "no kill left an open transaction behind: the test proves nothing"

    last = start_worker("deduplicate", stream.environ, tmp_path)
    with stopping([last], lambda _name, code: codes.append(code)):
        books = stream.wait(lambda books: all(stage.balanced for stage in books), [last], timeout_s=60)
    assert books[0].outcomes == {"SCORED": CANDIDATES}
    print(f"{KILLS} kills; {uncommitted} scores read_uncommitted, {committed} read_committed")
