"""The classifier: AUCs as defined, no leak between groups, and what it finds is what was put in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from model_build.realism.folds import auc_within_folds, judges, problem, weighted_auc
from model_build.realism.telling import BY_STAR, BY_STAR_AND_SITE, tell, tell_by_feature
from model_build.realism.window_features import FAMILIES, FEATURES
from model_build.realism.windows import Window

SCATTER = FEATURES.index("scatter over error")


def _windows(shift: float, seed: int = 1, seasons: int = 6) -> list[Window]:
    """Real season 0 and simulated ones of the same two stars; ``shift`` is added to one real feature."""
    rng = np.random.default_rng(seed)
    found = []
    for season in range(seasons + 1):
        for event in ("one", "two"):
            for site in ("CTIO", "SAAO", "SSO"):
                for start in range(4):
                    features = rng.normal(size=len(FEATURES))
                    features[SCATTER] += shift * (season == 0)
                    found.append(Window(event, f"{site}.dat", site, season, 20.0 * start, features))
    return found


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=12),
)
def test_the_weighted_auc_is_scikit_learns(real, other):
    values, weights = (np.array(column, dtype=np.float64) for column in zip(*real, *other, strict=True))
    n = len(real)
    found = weighted_auc(values[:n], weights[:n], values[n:], weights[n:])
    if not weights[:n].sum() or not weights[n:].sum():
        assert np.isnan(found)
        return
    truth = np.arange(values.size) < n
    assert found == pytest.approx(roc_auc_score(truth, values, sample_weight=weights))


def test_only_windows_of_one_group_are_compared():
    windows = _windows(0.0)
    of = problem(windows, [BY_STAR_AND_SITE.name(window) for window in windows])
    assert auc_within_folds(of.fold.astype(np.float64), of) == 0.5
    values = np.where(of.real, 1.0, 0.0)
    assert auc_within_folds(values, of) == 1.0
    values[of.fold == 0] = np.nan
    assert auc_within_folds(values, of) == 1.0


def test_no_group_is_in_training_and_test():
    windows = _windows(0.0)
    of = problem(windows, [BY_STAR.name(window) for window in windows])
    for judge in judges(of, seed=1):
        assert {w.event for w, c in zip(windows, judge.chosen, strict=True) if c}.isdisjoint(
            w.event for w, c in zip(windows, judge.chosen, strict=True) if not c
        )


def test_what_is_alike_is_not_told_apart_and_what_differs_is():
    alike = tell(_windows(0.0), "all", BY_STAR_AND_SITE, "all", 1)
    assert alike is not None
    assert alike.low - 0.05 < 0.5 < alike.high + 0.05
    assert (alike.real, alike.simulated) == (24, 144)
    differs = tell(_windows(3.0), "all", BY_STAR_AND_SITE, "all", 1)
    assert differs is not None
    assert differs.auc > 0.9
    assert differs.low > max(differs.controls)
    cadence = tell(_windows(3.0), "all", BY_STAR_AND_SITE, "cadence", 1)
    assert cadence is not None
    assert cadence.auc < 0.75


def test_windows_without_any_of_the_features_do_not_count():
    windows = _windows(0.0)
    for window in windows:
        if window.event == "two":
            window.features[np.isin(FEATURES, FAMILIES["conditions"])] = np.nan
    found = tell(windows, "all", BY_STAR_AND_SITE, "conditions", 1)
    assert found is not None
    assert (found.real, found.simulated) == (12, 72)
    assert tell(windows, "all", BY_STAR, "conditions", 1) is None


def test_the_feature_that_differs_comes_first():
    first, *others = tell_by_feature(_windows(3.0), 1)
    assert first.name == "scatter over error"
    assert first.telling
    assert first.auc > 0.95
    assert first.importance > max(one.importance for one in others)


def test_one_group_alone_is_not_judged():
    windows = [window for window in _windows(1.0) if window.event == "one" and window.site == "CTIO"]
    assert tell(windows, "one", BY_STAR_AND_SITE, "all", 1) is None
    assert all(np.isnan(one.importance) for one in tell_by_feature(windows, 1))


def test_the_same_seed_gives_the_same_answer():
    assert tell(_windows(1.0), "all", BY_STAR, "noise", 4) == tell(_windows(1.0), "all", BY_STAR, "noise", 4)
