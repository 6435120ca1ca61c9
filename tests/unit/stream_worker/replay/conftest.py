"""A small archive of one week and what an offline replay makes of it, with the bundle that ships."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.candidates import PRODUCED_AT, make_candidates

from stream_worker.archives import open_archives
from stream_worker.bundle import load_bundle
from stream_worker.candidate import candidate_id
from stream_worker.codec import write_candidates
from stream_worker.replay.offline import replay_offline
from stream_worker.replay.plan import plan_replay
from stream_worker.replay.selection import Selection
from stream_worker.settings import load_settings

DAY_MS = 86_400_000


def moved(candidate, days):
    """The same star so many days later, rising as before."""
    found = candidate.alertfinder
    t_cut = found.t_cut + days
    return replace(
        candidate,
        candidate_id=candidate_id(candidate.survey, candidate.star_id, t_cut),
        run_id=f"2021-05-{10 + days}",
        alertfinder=replace(found, t_cut=t_cut, t_break=found.t_break + days),
        light_curves=tuple(replace(lc, hjd=lc.hjd + days) for lc in candidate.light_curves),
        produced_at=PRODUCED_AT + days * DAY_MS,
    )


def week():
    """Candidates by run: some stars again, some next to one another, one twice, one invalid, one short."""
    stars = list(make_candidates(24, 11))
    near = [replace(stars[i], ra=stars[i - 1].ra, dec=stars[i - 1].dec + 5 / 3600) for i in (1, 3, 5, 7)]
    for i, one in zip((1, 3, 5, 7), near, strict=True):
        stars[i] = one
    first = stars[:16]
    short = replace(stars[16], light_curves=tuple(replace_rows(lc, 5) for lc in stars[16].light_curves))
    bad = replace(stars[17], dec=-95.0)
    second = [moved(one, 1) for one in (*stars[:6], *stars[18:24])]
    return {"2021-05-10": [*first, short, bad, first[0]], "2021-05-11": second}


def replace_rows(lc, n):
    names = ("hjd", "flux", "flux_err", "sky_background", "fwhm", "airmass", "psf_quality")
    return replace(lc, **{name: getattr(lc, name)[:n] for name in names})


@pytest.fixture(scope="session")
def archive(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("season")
    for run, candidates in week().items():
        write_candidates(folder / f"run-{run}.avro", candidates, block_bytes=30_000)
    return folder


@pytest.fixture(scope="session")
def settings():
    return load_settings({})


@pytest.fixture
def in_process(monkeypatch):
    """Score in this process: what matters here is not that there are several."""
    from stream_worker.replay import pool

    def score_chunks(work, chunks, processes):
        scoring = pool._Scoring(work)
        for chunk in chunks:
            yield chunk, scoring.score(chunk)

    monkeypatch.setattr("stream_worker.replay.offline.score_chunks", score_chunks)


@pytest.fixture
def replayed(archive, settings, monkeypatch):
    """Plan and replay, in chunks of a few records."""
    monkeypatch.setattr("stream_worker.replay.plan.CHUNK", 8)

    def run(out, *, paths=None, selection=None, processes=1, plan=None, settings=settings, **options):
        opened = open_archives(paths or [archive])
        bundle = load_bundle(settings.bundle)
        plan = plan or plan_replay(opened.archives, selection or Selection(), bundle, settings)
        return replay_offline(plan, settings, out, processes=processes, faults=opened.faults, **options)

    return run
