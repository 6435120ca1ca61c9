"""Deduplicators on a real broker while one is killed inside a commit, one at any moment, and one added."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from support.sky import known_sky, reference
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


def outcomes_of(stream):
    """Of the grouping stage, by candidate; halo copies and repeats left out."""
    found = defaultdict(list)
    for outcome in stream.read("outcomes", "outcome"):
        if outcome["stage"] == "deduplicate" and outcome["outcome"] not in ("HALO", "DUPLICATE"):
            found[outcome["candidate_id"]].append(outcome["outcome"])
    return found


def check_against_reference(stream, clusters):
    rules = stream.settings.rules.grouping
    truth = {star: t for cluster in clusters for star, t in reference(cluster, rules).items()}
    stored = {key.star_id: verdict.strongest for key, verdict in stream.grouping().verdicts()}
    assert stored == {star: t.strongest for star, t in truth.items()}

    alerts = stream.read("scored", "alert")
    assert max(Counter(a["alert_id"] for a in alerts).values()) == 1
    live = {alert["star_id"] for alert in fold(alerts).values()}
    outcomes = outcomes_of(stream)
    for star, found in truth.items():
        by_order = found.crowd > rules.crowd_limit and found.latest.p_review < rules.pure_at
        if found.strongest is not None:
            assert star not in live, star
        elif not by_order:
            assert star in live, star
        else:  # whether the crowd was there first is told by the outcomes, in their order
            (outcome,) = outcomes[found.latest.candidate_id]
            assert (outcome == "CROWDED") == (star not in live), star
            assert outcome in {"CROWDED", "PUBLISHED", "UNCHANGED"}
    assert live <= truth.keys()
    return truth, alerts, live


def run_with_kills(kafka, prefix, folder, *, candidates, partitions, workers, timeout_s):
    clusters = known_sky(candidates, seed=5)
    sky = [sighting for cluster in clusters for sighting in cluster]
    rng = random.Random(5)
    rng.shuffle(sky)
    fast = {"session_timeout_ms": 6000, "transaction_timeout_ms": 10_000}
    stream = Stream(kafka, prefix, partitions=partitions, **fast)
    environ = {**stream.environ, **SUPPORT, "LENSNET_LOOP__MAX_RECORDS": "128"}
    # before the first half is processed, so that its state is there to be restored
    fault = {**environ, "FAULT": "offsets_sent:4"}
    running: list[WorkerProcess] = [start_worker("deduplicate", fault, folder, command=FAULTY)]
    running += [start_worker("deduplicate", environ, folder) for _ in range(workers - 1)]
    codes: list[int] = []
    with stopping(running, lambda _name, code: codes.append(code)):
        for worker in running[1:]:
            worker.wait_started()
        began = time.monotonic()
        half = len(sky) // 2
        records = stream.produce_scores(sky[:half])
        deadline = time.monotonic() + timeout_s
        while running[0].process.poll() is None:
            assert time.monotonic() < deadline, running[0].tail()
            time.sleep(0.05)
        assert running[0].process.returncode == -signal.SIGKILL, running[0].tail()
        running[0] = start_worker("deduplicate", environ, folder)  # added
        records += stream.produce_scores(sky[half:])
        records += stream.produce_scores(rng.sample(sky, len(sky) // 50))  # ingest is at least once
        running[1].process.kill()
        running[1].process.wait()
        alive = [running[0], *running[2:]]
        books = stream.wait(lambda books: books[1].balanced, alive, timeout_s, every_s=candidates / 2_000)
        seconds = time.monotonic() - began
        assert books[1].source_records == records
        running.pop(1)
    assert codes == [0] * len(codes), "the others must drain cleanly"
    truth, alerts, live = check_against_reference(stream, clusters)
    uncommitted = len(stream.raw("scored", isolation="read_uncommitted"))
    print(
        f"{len(sky)} candidates of {len(truth)} stars, {records} records, {seconds:.0f} s; "
        f"{len(alerts)} alerts ({uncommitted} uncommitted), {len(live)} live; "
        f"{dict(books[1].outcomes)}"
    )


@pytest.mark.timeout(400)
def test_primaries_and_members_survive_kills(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    run_with_kills(kafka, topic_prefix, tmp_path, candidates=1_500, partitions=4, workers=2, timeout_s=180)


@pytest.mark.timeout(2400)
@pytest.mark.full_size
def test_three_deduplicators_twelve_partitions_twenty_thousand_candidates(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    run_with_kills(kafka, topic_prefix, tmp_path, candidates=20_000, partitions=12, workers=3, timeout_s=1500)
