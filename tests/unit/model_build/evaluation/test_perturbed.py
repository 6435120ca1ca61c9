from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.truth_rows import truth_row

from model_build.evaluation.perturbed import joint_clusters, perturbed_figures
from model_build.evaluation.scored import Scored, ScoredSeason
from model_build.evaluation.thresholds import Thresholds
from stream_worker.bundle import CLASSES

THRESHOLDS = Thresholds({"chosen": 0.5}, by_validation=True)


def scored(rows, p_review):
    likely = np.eye(3)[[CLASSES.index(row.label) for row in rows]] * 0.7 + 0.1
    return Scored(tuple(rows), np.asarray(p_review, float), likely, np.full((len(rows), 3), 100))


def stars(n, first=0):
    return [truth_row(first + i, ("event", "mira")[i % 2], ("yes", "no")[i % 2]) for i in range(n)]


def season(record, its, **other):
    return ScoredSeason(Path("season"), replace(record, **other), "0" * 64, its)


def test_stars_and_parents_of_both_seasons_are_drawn_together():
    here = [truth_row(0), truth_row(1), truth_row(2, parent="bleed-1"), truth_row(3, cluster=2)]
    there = [
        truth_row(1, cluster=0),  # the same star, another number
        truth_row(7, cluster=1),
        truth_row(8, cluster=5, parent="bleed-1"),
    ]
    found = joint_clusters(scored(here, np.ones(4)), scored(there, np.ones(3)), paired=True).tolist()
    assert found[1] == found[4]
    assert found[2] == found[3] == found[6]
    assert len({found[0], found[1], found[2], found[5]}) == 4
    apart = joint_clusters(scored(here, np.ones(4)), scored(there, np.ones(3)), paired=False).tolist()
    assert len(set(apart)) == 3 + 3
    assert apart[2] == apart[3]


@settings(max_examples=50, deadline=None)
@given(
    here=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=10),
    there=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=10),
)
def test_joint_clusters_split_no_cluster_and_no_star(here, there):
    both = [scored([truth_row(n, cluster=c) for n, c in one], np.ones(len(one))) for one in (here, there)]
    found = joint_clusters(*both, paired=True).tolist()
    keys = [
        *((0, c, n) for n, c in here),
        *((1, c, n) for n, c in there),
    ]
    for (a_season, a_cluster, a_star), a in zip(keys, found, strict=True):
        for (b_season, b_cluster, b_star), b in zip(keys, found, strict=True):
            if a_star == b_star or (a_season, a_cluster) == (b_season, b_cluster):
                assert a == b


def test_seasons_of_one_seed_are_paired(record):
    rng = np.random.default_rng(3)
    rows = stars(400)
    yes = np.array([row.label == "yes" for row in rows])
    right = rng.random(400) < 0.8
    worse = right & (rng.random(400) < 0.97)  # what was wrong stays wrong
    p_here, p_there = (np.where(r == yes, 0.9, 0.1) for r in (right, worse))
    one = season(record, scored(rows, p_here))
    paired = perturbed_figures(one, season(record, scored(rows, p_there), perturbed=1), THRESHOLDS)
    other = scored(stars(400, first=1000), p_there)
    apart = perturbed_figures(one, season(record, other, seed=2, perturbed=1), THRESHOLDS)
    assert paired.common_stars == 400
    assert apart.common_stars is None
    assert paired.fall.value == pytest.approx(apart.fall.value)
    assert 0.0 < paired.fall.low < paired.fall.value < paired.fall.high
    assert paired.fall.high - paired.fall.low < 0.5 * (apart.fall.high - apart.fall.low)


def test_a_season_does_not_fall_behind_itself(record):
    its = season(record, scored(stars(40), np.random.default_rng(1).random(40)))
    found = perturbed_figures(its, its, THRESHOLDS)
    assert (found.fall.low, found.fall.value, found.fall.high) == (0.0, 0.0, 0.0)
    assert (found.multiclass_fall.low, found.multiclass_fall.high) == (0.0, 0.0)


def test_star_names_of_another_seed_mean_nothing(record):
    its = scored(stars(60), np.random.default_rng(1).random(60))
    found = perturbed_figures(season(record, its), season(record, its, seed=2), THRESHOLDS)
    assert found.common_stars is None
    assert found.fall.value == 0.0
    assert found.fall.low < 0.0 < found.fall.high
