"""Deduplicators on a real broker while one is killed inside a commit, one at any moment, and one added."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from support.arrival_order import Ends, Seen, certain, kept_back_by_a_crowd, known_sky, seen_after_each
from support.sky import reference
from support.stream import Stream

from stream_worker.local_stream.processes import WorkerProcess, start_worker, stopping

FAULTY = (sys.executable, str(Path(__file__).parents[2] / "support" / "faulty_worker.py"))
SUPPORT = {"PYTHONPATH": str(Path(__file__).parents[2])}


def fold(alerts):
    """Group to its current alert, from every alert in topic order; checks each group's life."""
    live = {}
    for alert in alerts:
        group = alert["group_id"]
        assert (alert["alert_type"] == "INITIAL") == (group not in live), alert["star_id"]
        if alert["alert_type"] == "RETRACTION":
            del live[group]
        else:
            live[group] = alert
    return live


def wait_given_partitions(worker, timeout_s=60):
    """Until the worker's log tells of partitions; else its part of the records might go to the others."""
    deadline = time.monotonic() + timeout_s
    while True:
        logged = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
        if any(entry["event"] == "partitions assigned" and entry["partitions"] for entry in logged):
            return
        assert time.monotonic() < deadline, worker.tail()
        time.sleep(0.1)


def check_state(stream, truth):
    """Primaries and members in the changelog."""
    limit = stream.settings.rules.grouping.crowd_limit
    stored = {
        key.star_id: (verdict.strongest, {m.star_id for m in verdict.members}, verdict.crowded)
        for key, verdict in stream.grouping().verdicts()
    }
    assert stored == {star: (t.strongest, t.neighbours, t.crowd > limit) for star, t in truth.items()}


def check_view(stream, expected):
    """Every alert, and what the topic's readers have of each star, which must be as expected."""
    alerts = stream.read("scored", "alert")
    assert max(Counter(a["alert_id"] for a in alerts).values()) == 1
    live = [(a["star_id"], a["neighbours"]["crowded"]) for a in fold(alerts).values()]
    seen = {star: Seen.CROWDED if crowded else Seen.LIVE for star, crowded in live}
    assert len(seen) == len(live), "a star with two groups"
    assert seen.keys() <= expected.keys()
    wrong = {s: (seen.get(s), may) for s, may in expected.items() if seen.get(s, Seen.NOTHING) not in may}
    assert not wrong
    return alerts, seen


def ends_at_stake(truth, ends, rules):
    """Ends of the primaries whose crowd decides by its time of arrival; both must occur."""
    at_stake = {star: ends[star] for star, t in truth.items() if kept_back_by_a_crowd(t, rules)}
    assert set(at_stake.values()) == {Seen.NOTHING, Seen.CROWDED}, at_stake
    return at_stake


def check_outcomes(stream, truth, at_stake):
    """The latest candidate of each primary with a crowd has the one outcome that goes with its end."""
    found = defaultdict(list)
    for outcome in stream.read("outcomes", "outcome"):
        if outcome["stage"] == "deduplicate" and outcome["outcome"] not in ("HALO", "DUPLICATE"):
            found[outcome["candidate_id"]].append(outcome["outcome"])
    for star, end in at_stake.items():
        (outcome,) = found[truth[star].latest.candidate_id]
        assert outcome in ({"CROWDED"} if end is Seen.NOTHING else {"PUBLISHED", "UNCHANGED"}), star


def wait_settled(stream, records, workers, timeout_s):
    """Until every record has its outcome and nothing is held."""
    every_s = max(0.5, records / 5_000)
    books = stream.wait(lambda books: books[1].balanced, workers, timeout_s, every_s=every_s)
    assert books[1].source_records == records
    return books[1]


def run_with_kills(kafka, prefix, folder, *, candidates, partitions, workers, strike, timeout_s):
    fast = {"session_timeout_ms": 6000, "transaction_timeout_ms": 10_000}
    stream = Stream(kafka, prefix, partitions=partitions, **fast)
    rules = stream.settings.rules.grouping
    sky, left_out = known_sky(candidates, 5, rules)
    ends = [Ends(), Ends()]
    truth = {}
    for cluster in sky:
        truth |= reference([s for wave in cluster for s in wave], rules)
        for n, seen in enumerate(seen_after_each(cluster, rules)):
            ends[n] |= seen
    first, second = ([s for cluster in sky for s in cluster[n]] for n in range(2))
    rng = random.Random(5)
    rng.shuffle(first)
    rng.shuffle(second)
    at_stake = ends_at_stake(truth, certain(ends[1]), rules)

    environ = {**stream.environ, **SUPPORT, "LENSNET_LOOP__MAX_RECORDS": "128"}
    # before the first wave is processed, so that its state is there to be restored
    fault = {**environ, "FAULT": f"offsets_sent:{strike}"}
    running: list[WorkerProcess] = [start_worker("deduplicate", fault, folder, command=FAULTY)]
    running += [start_worker("deduplicate", environ, folder) for _ in range(workers - 1)]
    codes: list[int] = []
    with stopping(running, lambda _name, code: codes.append(code)):
        for worker in running:
            worker.wait_started()
            wait_given_partitions(worker)
        began = time.monotonic()
        records = stream.produce_scores(first)
        deadline = time.monotonic() + timeout_s
        while running[0].process.poll() is None:
            assert time.monotonic() < deadline, running[0].tail()
            time.sleep(0.05)
        assert running[0].process.returncode == -signal.SIGKILL, running[0].tail()
        running[0] = start_worker("deduplicate", environ, folder)  # added
        wait_settled(stream, records, running, timeout_s)
        check_view(stream, ends[0])

        records += stream.produce_scores(second)
        records += stream.produce_scores(rng.sample(first + second, len(truth) // 20))  # at least once
        running[1].process.kill()
        running[1].process.wait()
        running.pop(1)
        books = wait_settled(stream, records, running, timeout_s)
        seconds = time.monotonic() - began
    assert codes == [0] * len(codes), "the others must drain cleanly"
    check_state(stream, truth)
    check_outcomes(stream, truth, at_stake)
    alerts, seen = check_view(stream, ends[1])
    by_end = Counter(at_stake.values())
    uncommitted = len(stream.raw("scored", isolation="read_uncommitted"))
    open_between = sum(len(may) > 1 for may in ends[0].values())
    print(
        f"{len(first)} + {len(second)} candidates of {len(truth)} stars in {len(sky)} clusters "
        f"({left_out} left out), {records} records, {seconds:.0f} s; {len(alerts)} alerts "
        f"({uncommitted} uncommitted), {len(seen)} live; of crowded primaries "
        f"{by_end[Seen.NOTHING]} kept back by an earlier crowd, {by_end[Seen.CROWDED]} live before it; after "
        f"the first wave {open_between} stars of {len(ends[0])} left to the order in it, after the second "
        f"none; {dict(books.outcomes)}"
    )


@pytest.mark.timeout(400)
def test_primaries_and_members_survive_kills(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    size = {"candidates": 1_500, "partitions": 4, "workers": 2}
    run_with_kills(kafka, topic_prefix, tmp_path, **size, strike=4, timeout_s=180)


@pytest.mark.timeout(2400)
@pytest.mark.full_size
def test_three_deduplicators_twelve_partitions_twenty_thousand_candidates(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    size = {"candidates": 20_000, "partitions": 12, "workers": 3}
    run_with_kills(kafka, topic_prefix, tmp_path, **size, strike=20, timeout_s=1500)
