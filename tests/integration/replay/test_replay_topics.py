"""Live, dumped, replayed offline and through topics: the same scores, decisions and final groups."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from support.candidates import make_candidates
from support.stream import Stream

from schemas.wire import frame_confluent
from stream_worker.candidate import candidate_id
from stream_worker.codec import encode_candidate, write_candidates
from stream_worker.local_stream.processes import stopping
from stream_worker.local_stream.stream import start_stages
from stream_worker.plans import candidate_resolver
from stream_worker.replay.names import replay_settings
from stream_worker.steps import ScoringSteps

N = 60
KAFKA = {"transaction_timeout_ms": 10_000}


def command(stream, *arguments, rc=0):
    done = subprocess.run(
        [sys.executable, "-m", "stream_worker", *map(str, arguments)],
        env={**os.environ, **stream.environ, "LENSNET_LOG__LEVEL": "error"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == rc, f"{arguments}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def night():
    """Stars of one night, every third one beside the one before it."""
    stars = list(make_candidates(N, 4))
    return [
        replace(one, ra=stars[i - 1].ra, dec=stars[i - 1].dec + 6 / 3600) if i % 3 == 2 else one
        for i, one in enumerate(stars)
    ]


@pytest.mark.timeout(600)
def test_live_dump_offline_and_topics_agree(kafka, topic_prefix, night, tmp_path):
    stream = Stream(kafka, topic_prefix)
    stream.produce(night)
    strange = [b"not a packet", frame_confluent(7, encode_candidate(night[0]))]
    stream.produce_raw(strange)
    workers = start_stages(stream.settings, tmp_path)
    with stopping(workers, lambda _name, _code: None):
        for worker in workers:
            worker.wait_started(240)
        stream.wait(
            lambda books: all(one.balanced for one in books) and books[0].source_records == N + 2,
            workers,
            240,
        )

    dumped = json.loads(command(stream, "archive", "--out", tmp_path / "dump", "--once", "--json"))
    assert dumped["records"] == N + 2
    again = json.loads(command(stream, "archive", "--out", tmp_path / "dump", "--once", "--json"))
    assert again["records"] == 0

    out = tmp_path / "night.parquet"
    report = json.loads(command(stream, "replay", tmp_path / "dump", "--offline", "--out", out, "--json"))
    assert report["outcomes"] == {"QUARANTINED": 2, "SCORED": N}
    found = json.loads(command(stream, "replay", "diff", out, "live", "--json"))
    assert found["empty"]
    assert found["counts"]["candidates_in_both"] == N

    replay_id = topic_prefix.strip("-")
    options = ("--to-topic", "--replay-id", replay_id, "--scorers", 1, "--json")
    through = json.loads(command(stream, "replay", tmp_path / "dump", *options))
    assert (through["sent"], through["refused"], through["score_outcomes"]) == (N, 2, N + 2)
    own = Stream.__new__(Stream)
    own.settings = replay_settings(stream.settings, replay_id)
    decode = ScoringSteps(candidate_resolver(own.settings), scorer=None).decode
    assert {decode(packet).replay_id for packet in own.raw("candidates")} == {replay_id}
    assert "balanced" in command(own, "balance")
    kept = [json.loads(line) for line in command(own, "quarantine", "list", "--json").splitlines()]
    assert {one["reason"] for one in kept} == {"not_framed", "unknown_schema"}
    assert all(one["topic"].startswith("archive:candidates-") for one in kept)
    page = tmp_path / "diff.html"
    found = json.loads(
        command(stream, "replay", "diff", f"topic:{replay_id}", "live", "--json", "--html", page)
    )
    assert found["empty"]
    assert page.stat().st_size > 10_000
    command(stream, "replay", tmp_path / "dump", *options, rc=1)  # begun before, and not resumed
    resumed = json.loads(command(stream, "replay", tmp_path / "dump", *options, "--resume"))
    assert (resumed["sent"], resumed["refused"]) == (N, 2)
    assert len(stream.raw("candidates")) == N + 2  # the live topics are as they were
    assert "removed" in command(stream, "replay", "remove", replay_id)


def test_an_archive_with_other_bytes_does_not_pass_for_the_same_replay(kafka, topic_prefix, night, tmp_path):
    stream = Stream(kafka, topic_prefix)
    archive, replay_id = tmp_path / "a.avro", topic_prefix.strip("-")
    write_candidates(archive, night[:5])
    options = ("--to-topic", "--replay-id", replay_id, "--scorers", 0)
    command(stream, "replay", archive, *options)
    write_candidates(archive, night[:6])
    command(stream, "replay", archive, *options, "--resume", rc=1)
    command(stream, "replay", "remove", replay_id)


@pytest.mark.timeout(600)
def test_a_season_through_topics_loses_nobody_however_old(kafka, topic_prefix, tmp_path):
    """Newest first, as a partition may be read whose reader is behind the others."""
    stream = Stream(kafka, topic_prefix)
    archive, out, replay_id = tmp_path / "a.avro", tmp_path / "a.parquet", topic_prefix.strip("-")
    write_candidates(archive, [earlier(one, 10 * n) for n, one in enumerate(make_candidates(20, 4))])
    command(stream, "replay", archive, "--offline", "--out", out)
    command(stream, "replay", archive, "--to-topic", "--replay-id", replay_id, "--scorers", 1)
    own = Stream.__new__(Stream)
    own.settings = replay_settings(stream.settings, replay_id)
    grouped = {one["outcome"] for one in own.read("outcomes", "outcome") if one["stage"] == "deduplicate"}
    assert "PUBLISHED" in grouped
    assert "TOO_LATE" not in grouped
    found = json.loads(command(stream, "replay", "diff", out, f"topic:{replay_id}", "--json"))
    assert found["empty"]
    assert found["counts"]["candidates_in_both"] == 20
    command(stream, "replay", "remove", replay_id)


def earlier(one, days):
    """The candidate as it would have been so many days before."""
    found = one.alertfinder
    t_cut = found.t_cut - days
    return replace(
        one,
        candidate_id=candidate_id(one.survey, one.star_id, t_cut),
        alertfinder=replace(found, t_cut=t_cut, t_break=found.t_break - days),
        light_curves=tuple(replace(curve, hjd=curve.hjd - days) for curve in one.light_curves),
        produced_at=one.produced_at - days * 86_400_000,
    )
