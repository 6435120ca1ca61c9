"""Scorer and deduplicator on a simulated season's stream: one live alert per event, ghosts suppressed.

SIMULATED_SEASON names a folder of ``model-build simulate``, best a natural stream. Events, their ghosts and
whatever lies around them take part, and one in twenty of all other stars.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from support.stream import Stream

from stream_worker.codec import read_candidates
from stream_worker.local_stream.processes import start_worker, stopping
from stream_worker.neighbours.geometry import separation_arcsec

SHARE = 20
AROUND_ARCSEC = 60


def truth_of(season: Path) -> list[dict]:
    import pyarrow.parquet as pq

    names = ["candidate_id", "star_id", "kind", "parent", "source", "ra", "dec"]
    return pq.read_table(season / "truth.parquet", columns=names).to_pylist()


def taking_part(truth) -> set[str]:
    """Stars of events, around them, and a share of the rest."""
    centres = [(row["ra"], row["dec"]) for row in truth if row["kind"] in ("event", "ghost")]
    stars = {row["star_id"]: (row["ra"], row["dec"]) for row in truth}
    chosen = set(sorted(stars)[::SHARE])
    for star, (ra, dec) in stars.items():
        if any(abs(dec - d) < 0.02 and separation_arcsec(ra, dec, r, d) < AROUND_ARCSEC for r, d in centres):
            chosen.add(star)
    return chosen


def fold(alerts):
    live = {}
    for alert in alerts:
        if alert["alert_type"] == "RETRACTION":
            live.pop(alert["group_id"], None)
        else:
            live[alert["group_id"]] = alert
    return {alert["star_id"]: alert for alert in live.values()}


@pytest.mark.timeout(1800)
@pytest.mark.full_size
def test_a_night_ends_with_one_live_alert_per_event(kafka, topic_prefix, tmp_path):
    if not os.environ.get("SIMULATED_SEASON"):
        pytest.skip("SIMULATED_SEASON names no simulated season")
    season = Path(os.environ["SIMULATED_SEASON"])
    truth = truth_of(season)
    kinds = {row["star_id"]: row["kind"] for row in truth}
    parents = {row["star_id"]: row["parent"] for row in truth if row["kind"] in ("event", "ghost")}
    stars = taking_part(truth)
    stream = Stream(kafka, topic_prefix, partitions=4, transaction_timeout_ms=20_000)
    workers = [start_worker(stage, stream.environ, tmp_path) for stage in ("score", "deduplicate")]
    with stopping(workers, lambda *_: None):
        for worker in workers:
            worker.wait_started(240)
        n = 0
        for file in sorted(season.glob("run-*.avro")):
            chosen = [c for c in read_candidates(file) if c.star_id in stars]
            stream.produce(chosen)
            n += len(chosen)
        stream.wait(
            lambda books: books[0].balanced and books[1].balanced and books[0].source_records == n,
            workers,
            1200,
            every_s=5,
        )
    scores = [s for s in stream.read("scores", "score") if not s["halo"]]
    passed = {s["star_id"] for s in scores if s["p_review"] >= stream.settings.rules.publish_at}
    alerts = stream.read("scored", "alert")
    live = fold(alerts)
    outcomes = {o["candidate_id"]: o for o in stream.read("outcomes", "outcome") if o["group_id"]}

    of_parent = defaultdict(set)
    for star, parent in parents.items():
        of_parent[parent].add(star)
    events = {parents[star] for star in passed if kinds[star] == "event"}
    one_alert = {p: [s for s in of_parent[p] if s in live] for p in events}
    exactly_one = sum(len(found) == 1 for found in one_alert.values())
    ghosts = {s for s in passed if kinds[s] == "ghost" and parents[s] in events}
    suppressed = {s for s in ghosts if s not in live}
    lost = {p for p, found in one_alert.items() if not found}
    for parent in sorted(p for p, found in one_alert.items() if len(found) != 1):
        for star in sorted(of_parent[parent] & passed):
            told = [
                (
                    s["t_cut"],
                    round(s["p_review"], 3),
                    round(s["alertfinder"]["delta_chi2"], 1),
                    (outcomes.get(s["candidate_id"]) or {}).get("outcome"),
                    (outcomes.get(s["candidate_id"]) or {}).get("reason"),
                )
                for s in scores
                if s["star_id"] == star
            ]
            print(parent, star, kinds[star], "live" if star in live else "not live", told)
    added = [a["published_at"] - a["scored_at"] for a in alerts if a["alert_type"] == "INITIAL"]
    scoring = [s["scored_at"] - s["received_at"] for s in scores]
    print(
        f"{n} candidates, {len(passed)} stars passed, {len(alerts)} alerts, {len(live)} live "
        f"({dict(Counter(kinds[s] for s in live))}); events {len(events)}, with exactly one live alert "
        f"{exactly_one}, lost {len(lost)}; ghosts {len(ghosts)}, suppressed {len(suppressed)}; "
        f"score to alert p50 {np.percentile(added, 50):.0f} ms, p99 {np.percentile(added, 99):.0f} ms "
        f"(scoring a batch p50 {np.percentile(scoring, 50):.0f} ms)"
    )
    assert exactly_one >= 0.99 * len(events)
    assert len(suppressed) >= 0.99 * len(ghosts)
    assert len(lost) < 0.01 * len(events) or not lost
