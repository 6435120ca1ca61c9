"""kill -9 at ten random moments: with --resume the result is that of an uninterrupted replay."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from support.candidates import make_candidates
from support.stream import Stream

from stream_worker.candidate import candidate_id
from stream_worker.codec import write_candidates
from stream_worker.replay.names import replay_settings

pytestmark = [pytest.mark.full_size, pytest.mark.timeout(3600)]
KILLS = 10
N = 6_000


def start(arguments, environ):
    return subprocess.Popen(
        [sys.executable, "-m", "stream_worker", "replay", *map(str, arguments)],
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(arguments, environ):
    process = start(arguments, environ)
    errors = process.communicate()[1].decode()
    assert process.returncode == 0, errors


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Six thousand candidates: a few stars over and over, under names of their own."""
    folder = tmp_path_factory.mktemp("season")
    stars = list(make_candidates(200, 9))

    def many():
        for n in range(N):
            one, star = stars[n % len(stars)], f"S{n:06d}"
            yield replace(
                one,
                star_id=star,
                dec=one.dec + (n // len(stars)) * 0.01,
                candidate_id=candidate_id(one.survey, star, one.alertfinder.t_cut),
            )

    write_candidates(folder / "run-2021-05-10.avro", many())
    return folder


def killed_until_done(arguments, environ, seconds):
    """Run, killing at KILLS random moments; then to the end. Returns how often it was really struck."""
    rng, struck = random.Random(6), 0
    for _ in range(KILLS):
        process = start([*arguments, "--resume"], environ)
        time.sleep(rng.uniform(0.1, seconds))
        struck += process.poll() is None
        process.kill()
        process.communicate()
    finish([*arguments, "--resume"], environ)
    return struck


def test_offline(archive, tmp_path):
    whole, broken = tmp_path / "whole.parquet", tmp_path / "broken.parquet"
    begun = time.monotonic()
    finish([archive, "--offline", "--out", whole], {})
    seconds = time.monotonic() - begun
    struck = killed_until_done([archive, "--offline", "--out", broken], {}, seconds)
    print(f"{struck} kills, an uninterrupted run takes {seconds:.0f} s")
    assert struck >= KILLS // 2
    assert broken.read_bytes() == whole.read_bytes()


def test_to_a_topic(archive, kafka, topic_prefix):
    stream = Stream(kafka, topic_prefix)
    packets = {}
    for name in ("unhurt", "broken"):
        replay_id = f"{topic_prefix}{name}"
        arguments = [archive, "--to-topic", "--replay-id", replay_id, "--scorers", 0]
        begun = time.monotonic()
        if name == "unhurt":
            finish(arguments, stream.environ)
            seconds = time.monotonic() - begun
        else:
            struck = killed_until_done(arguments, stream.environ, seconds)
            print(f"{struck} kills, an uninterrupted run takes {seconds:.0f} s")
        own = Stream.__new__(Stream)
        own.settings = replay_settings(stream.settings, replay_id)
        packets[name] = sorted(raw.replace(replay_id.encode(), b"") for raw in own.raw("candidates"))
    assert len(packets["unhurt"]) == N
    assert packets["broken"] == packets["unhurt"]
