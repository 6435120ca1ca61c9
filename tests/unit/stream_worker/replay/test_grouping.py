"""Final groups depend on the candidates alone; the lifecycle is told on the rows it speaks of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_worker.candidate import candidate_id
from stream_worker.neighbours import GroupingRules
from stream_worker.replay.grouping import ReplayGrouping, final_verdicts

RULES = GroupingRules()
DAY_MS = 86_400_000


def row(star, t_cut, *, p=0.8, delta_chi2=500.0, dec=0.0, cells=(1,)):
    score = {
        "candidate_id": candidate_id("KMTNet", star, t_cut),
        "star_id": star,
        "tense": "ARCHIVAL",
        "replay_id": "r",
        "ra": 270.0,
        "dec": dec,
        "t_cut": t_cut,
        "p_review": p,
        "p_event": None,
        "alertfinder": {"delta_chi2": delta_chi2},
    }
    return {"score": score, "cells": list(cells), "produced_at": int((t_cut + 9412.5) * DAY_MS)}


def grouped(rows):
    grouping = ReplayGrouping(RULES)
    grouping.take(rows)
    grouping.close()
    return [grouping.of(number, one) for number, one in enumerate(rows)]


def test_the_stronger_neighbour_of_a_run_is_published_and_the_weaker_grouped_away():
    weak, strong, below, unscored = grouped(
        [
            row("A", 9340.0, delta_chi2=400.0),
            row("B", 9340.0, delta_chi2=900.0, dec=5 / 3600),
            row("C", 9340.0, p=0.1),
            {"outcome": "QUARANTINED"},
        ]
    )
    assert (weak.outcome, weak.reason) == ("GROUPED_AWAY", "B")
    assert weak.final == {
        "primary": False,
        "strongest": "B",
        "members": ["B"],
        "crowded": False,
        "live": False,
    }
    assert strong.outcome == "PUBLISHED"
    assert strong.final["live"]
    assert [(a["type"], a["members"]) for a in strong.alerts] == [("INITIAL", ["A"])]
    assert below.outcome == "BELOW_THRESHOLD"
    assert below.final is None
    assert unscored is None


def test_a_stronger_star_of_a_later_run_retracts_the_first():
    first, later = grouped(
        [row("A", 9340.0, delta_chi2=400.0), row("B", 9341.0, delta_chi2=900.0, dec=5 / 3600)]
    )
    assert [alert["type"] for alert in first.alerts] == ["INITIAL", "RETRACTION"]
    assert first.final["live"] is False
    assert later.final["live"] is True
    sequence = [alert["sequence"] for one in (first, later) for alert in one.alerts]
    assert sorted(sequence) == [0, 1, 2]


def test_only_the_latest_row_of_a_star_tells_its_end_and_a_repeat_is_a_duplicate():
    one, two, repeat = grouped([row("A", 9340.0), row("A", 9341.0), row("A", 9341.0)])
    assert one.final is None
    assert two.final["primary"]
    assert repeat.outcome == "DUPLICATE"
    assert repeat.final is None


@pytest.mark.parametrize("step", [1, -1])
def test_stars_of_a_whole_season_are_told_in_whatever_order_the_archive_has_them(step):
    season = [row(f"S{n}", 9300.0 + n, dec=n / 100) for n in range(170)]
    found = grouped(season[::step])
    assert all(one.outcome == "PUBLISHED" and one.final["primary"] for one in found)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_final_groups_do_not_depend_on_order(seed):
    rng = np.random.default_rng(seed)
    rows = [
        row(
            f"S{rng.integers(12)}",
            9340.0 + int(rng.integers(4)),
            delta_chi2=float(rng.integers(300, 306)),
            dec=float(rng.integers(6)) * 8 / 3600,
            cells=(1, 2) if rng.random() < 0.3 else (1,),
        )
        for _ in range(25)
    ]
    seen = {}
    for one in rows:  # a star has one position, one candidate a run
        star = seen.setdefault(one["score"]["star_id"], one["score"]["dec"])
        one["score"]["dec"] = star
    copies = [
        {**one["score"], "cell": cell, "home_cell": one["cells"][0], "halo": cell != one["cells"][0]}
        for one in {r["score"]["candidate_id"]: r for r in rows}.values()
        for cell in one["cells"]
    ]
    wanted = dict(final_verdicts(copies, RULES))
    shuffled = [copies[i] for i in rng.permutation(len(copies))]
    again = dict(final_verdicts(shuffled, RULES))
    assert {k: (v.strongest, v.members) for k, v in wanted.items()} == {
        k: (v.strongest, v.members) for k, v in again.items()
    }
