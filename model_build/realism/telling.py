"""Telling real windows from simulated ones: how well it goes, and by what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from model_build.realism.folds import Judge, Problem, auc_within_folds, cross_scores, judges, problem
from model_build.realism.window_features import FAMILIES, FEATURES
from model_build.realism.windows import Window
from model_build.season.generators import generator
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray

CONTROLS: Final = 5
"""So many simulated seasons play the real one's part, at most."""
_BOOTSTRAPS: Final = 500
_PERMUTATIONS: Final = 3
_INTERVAL: Final = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Grouping:
    """What windows are grouped by: no group is in training and test both."""

    title: str
    name: Callable[[Window], str]


BY_FILE: Final = Grouping("by file", lambda window: f"{window.event} {window.name}")
BY_STAR_AND_SITE: Final = Grouping("by star and site", lambda window: f"{window.event} {window.site}")
BY_STAR: Final = Grouping("by star", lambda window: window.event)


@dataclass(frozen=True, slots=True)
class Telling:
    """How well a classifier tells real windows from simulated ones.

    Parameters
    ----------
    windows, features, grouping
        What it was tried on, with, and how training and test were kept apart.
    real, simulated
        Numbers of windows.
    auc, low, high
        Within groups, with its 95 % bootstrap interval over files and simulated seasons.
    controls
        AUCs of telling one simulated season from the others in the same way: what real data would give
        if the simulation were perfect.
    """

    windows: str
    features: str
    grouping: str
    real: int
    simulated: int
    auc: float
    low: float
    high: float
    controls: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FeatureTelling:
    """One feature: its AUC alone (above 0.5: larger in real windows), within star and site.

    ``low`` and ``high`` are the least and largest AUC of the controls; ``importance`` is what a classifier
    by star and site loses in AUC when the feature is permuted.
    """

    name: str
    auc: float
    low: float
    high: float
    importance: float

    @property
    def telling(self) -> bool:
        """Whether no control is as far from 0.5 on the same side."""
        return not self.low <= self.auc <= self.high


def tell_all(windows: Sequence[Window], seed: int) -> tuple[Telling, ...]:
    """Try all windows by each grouping, every event alone, and every family of features alone."""
    events = sorted({window.event for window in windows if window.season == 0})
    tried = [tell(windows, "all", grouping, "all", seed) for grouping in (BY_FILE, BY_STAR_AND_SITE, BY_STAR)]
    if len(events) > 1:
        for event in events:
            one = [window for window in windows if window.event == event]
            tried.append(tell(one, event, BY_STAR_AND_SITE, "all", seed))
    tried += [tell(windows, "all", BY_STAR_AND_SITE, family, seed) for family in FAMILIES]
    return tuple(found for found in tried if found is not None)


def tell(windows: Sequence[Window], title: str, grouping: Grouping, family: str, seed: int) -> Telling | None:
    """Cross-validate a classifier on the windows that have any of the features.

    Returns None if there are fewer than two groups of such real windows.

    Parameters
    ----------
    title
        What the windows are.
    family
        One of `FAMILIES`, or ``all`` features.
    """
    of = problem(windows, [grouping.name(window) for window in windows])
    of = of.columns(np.isin(FEATURES, FAMILIES.get(family, FEATURES)))
    of = of.rows(np.asarray(np.isfinite(of.x).any(axis=1)))
    if np.unique(of.fold[of.real]).size < 2 or of.real.all():
        return None
    scores = cross_scores(of, judges(of, seed))
    controls = (auc_within_folds(cross_scores(one, judges(one, seed)), one) for one in of.controls(CONTROLS))
    low, high = _interval(scores, of, seed)
    return Telling(
        windows=title,
        features=family,
        grouping=grouping.title,
        real=int(of.real.sum()),
        simulated=int((~of.real).sum()),
        auc=auc_within_folds(scores, of),
        low=low,
        high=high,
        controls=tuple(controls),
    )


def tell_by_feature(windows: Sequence[Window], seed: int) -> tuple[FeatureTelling, ...]:
    """Return every feature that real windows have, the most telling first."""
    of = problem(windows, [BY_STAR_AND_SITE.name(window) for window in windows])
    importance = _importance(of, seed)
    controls = tuple(of.controls(len(windows)))
    found = []
    for n, name in enumerate(FEATURES):
        auc = auc_within_folds(of.x[:, n], of)
        if np.isfinite(auc):
            others = np.array([auc_within_folds(one.x[:, n], one) for one in controls])
            others = others[np.isfinite(others)]
            low, high = (float(others.min()), float(others.max())) if others.size else (np.nan, np.nan)
            found.append(FeatureTelling(name, auc, low, high, float(importance[n])))
    return tuple(sorted(found, key=lambda one: -abs(one.auc - 0.5)))


def _interval(scores: Float64Array, of: Problem, seed: int) -> tuple[float, float]:
    """Bootstrap whole files of real windows and whole simulated seasons."""
    rng = generator(seed, "realism bootstrap")
    draws = []
    for _ in range(_BOOTSTRAPS):
        files, seasons = _counts(of.file, of.real, rng), _counts(of.season, ~of.real, rng)
        draws.append(auc_within_folds(scores, of, np.where(of.real, files[of.file], seasons[of.season])))
    known = np.array(draws)[np.isfinite(draws)]
    low, high = np.quantile(known, _INTERVAL).tolist()
    return low, high


def _counts(group: IntArray, chosen: BoolArray, rng: np.random.Generator) -> Float64Array:
    """How often a resample has each group, of those that some ``chosen`` window is in."""
    names = np.unique(group[chosen])
    return np.bincount(rng.choice(names, names.size), minlength=int(group.max()) + 1).astype(np.float64)


def _importance(of: Problem, seed: int) -> Float64Array:
    """AUC lost by permuting each feature within the folds, float64 [features]."""
    if np.unique(of.fold[of.real]).size < 2:
        return np.full(of.x.shape[1], np.nan)
    trained = judges(of, seed)
    whole = auc_within_folds(cross_scores(of, trained), of)
    rng = generator(seed, "realism permutation")
    lost = np.zeros(of.x.shape[1])
    for n in range(lost.size):
        for _ in range(_PERMUTATIONS):
            lost[n] += whole - auc_within_folds(cross_scores(_permuted(of, trained, n, rng), trained), of)
    return lost / _PERMUTATIONS


def _permuted(of: Problem, trained: Sequence[Judge], feature: int, rng: np.random.Generator) -> Problem:
    """Permute a feature among the windows of each fold."""
    x = of.x.copy()
    for judge in trained:
        x[judge.chosen, feature] = rng.permutation(x[judge.chosen, feature])
    return replace(of, x=x)
