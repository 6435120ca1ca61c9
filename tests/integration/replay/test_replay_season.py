"""A whole season offline and through topics: the same result, every record accounted for, and the rates.

SIMULATED_SEASON names the archive; without it a night of 60 stars goes the same way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.candidates import make_candidates
from support.stream import Stream

from stream_worker.codec import write_candidates
from stream_worker.local_stream.stream import worker_environment
from stream_worker.replay.names import replay_settings

pytestmark = [pytest.mark.full_size, pytest.mark.timeout(3600)]


def command(environ, *arguments):
    """Run to its end; what it printed as JSON, and how many seconds it took."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "stream_worker", *map(str, arguments), "--json"],
        env={**os.environ, **environ, "LENSNET_LOG__LEVEL": "error"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: exit code {done.returncode}\n{done.stdout[:2000]}"
    return json.loads(done.stdout), time.monotonic() - begun


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    if os.environ.get("SIMULATED_SEASON"):
        return Path(os.environ["SIMULATED_SEASON"])
    folder = tmp_path_factory.mktemp("season")
    write_candidates(folder / "run-2021-05-10.avro", make_candidates(60, 4))
    return folder


def test_a_season_through_topics_ends_as_offline(kafka, topic_prefix, archive, tmp_path):
    replay_id = topic_prefix.strip("-")
    stream = Stream(kafka, topic_prefix)
    environ = stream.environ
    of_replay = worker_environment(replay_settings(stream.settings, replay_id))
    out = tmp_path / "offline.parquet"
    offline, offline_s = command(environ, "replay", archive, "--offline", "--out", out)
    n = offline["rows"]
    print(f"\noffline: {n} candidates, {n / offline_s:.0f} a second, process starts included")

    through, _ = command(environ, "replay", archive, "--to-topic", "--replay-id", replay_id)
    assert (through["sent"], through["score_outcomes"]) == (n, n)
    seconds = through["seconds"]
    print(
        f"to a topic: {n} candidates scored, {through['grouping_outcomes']} scores grouped,"
        f" {n / seconds:.0f} candidates a second from the first record sent to the last outcome"
    )

    balance, _ = command(of_replay, "balance", "--settled")
    assert balance["balanced"]
    diff, _ = command(environ, "replay", "diff", out, f"topic:{replay_id}")
    print(f"diff of the two: {diff['counts']}")
    assert diff["empty"]
    assert diff["counts"]["candidates_in_both"] == n
