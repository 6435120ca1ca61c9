"""Review of candidates by a person: the light curves first, then the images (Viaña et al. 2025, sec. 3.4).

Stage 1 sees flux against time at the three sites up to t_cut and nothing else. Stage 2 sees the
difference images, for which the hidden truth stands. Both err: rates are in `ReviewConfig`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.season.features import Impression, look
from model_build.season.sections import Fraction, NonNegative, Positive
from stream_worker.preprocessing import LightCurve

EVENT: Final = "event"
ARTEFACTS: Final = frozenset({"ghost", "bleed", "spike", "neighbour", "dipole", "hot_column", "moonlight"})
"""Kinds of false positives that the images give away; those of all other stars look clean."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Doubt about one thing noticed: none up to ``free``, then one for every ``scale`` more."""

    free: float
    scale: Positive

    def of(self, value: float) -> float:
        """Return the doubt that ``value`` raises."""
        return max(0.0, (value - self.free) / self.scale)


@dataclass(frozen=True, slots=True)
class ReviewConfig:
    """What raises a reviewer's doubts, and how often reviewers err; all assumed, calibrated on simulations.

    Parameters
    ----------
    limit
        Sum of doubts at which half of the candidates are turned down.
    judgement_sigma
        Scatter of that limit from one review to the next.
    faint
        Of the signal-to-noise ratio: ``free`` is where doubts begin, falling.
    one_site
        Doubt if one site alone confirms the rise; two such if none does.
    misfit, scatter, disagreement, earlier, wave, burst, fading, suddenness, haste, no_baseline
        See `Impression`.
    false_pass_rate
        Share of hopeless candidates passed by a slip.
    miss_rate, miss_snr
        Share of good ones overlooked: ``miss_rate`` exp(-snr / ``miss_snr``).
    artefact_caught, event_kept
        Shares at stage 2, by star.
    """

    limit: Positive
    judgement_sigma: NonNegative
    faint: Doubt
    one_site: NonNegative
    misfit: Doubt
    scatter: Doubt
    disagreement: Doubt
    earlier: Doubt
    wave: Doubt
    burst: Doubt
    fading: Doubt
    suddenness: Doubt
    haste: Doubt
    no_baseline: Doubt
    false_pass_rate: Fraction
    miss_rate: Fraction
    miss_snr: Positive
    artefact_caught: Fraction
    event_kept: Fraction


@dataclass(frozen=True, slots=True)
class Stage1:
    """Verdict of the light-curve review.

    Parameters
    ----------
    passed
        Whether the candidate goes on to the images.
    score
        Limit less the doubts, before any human error: a candidate above 0 deserves to pass.
    snr
        Of the rise; 0 if too little was there to see.
    slip
        Whether an error of attention, not of judgement, made the verdict.
    impression
        What was noticed; None if too little was there.
    """

    passed: bool
    score: float
    snr: float
    slip: bool
    impression: Impression | None


def stage1(
    light_curves: Sequence[LightCurve],
    t_break: float,
    t_cut: float,
    rng: np.random.Generator,
    config: ReviewConfig,
) -> Stage1:
    """Review a candidate's light curves up to ``t_cut``; auxiliary columns are never read.

    ``rng`` is this review's own (star and run): it draws three numbers whatever is seen.
    """
    judgement, overlooked, slipped = rng.normal(), rng.random(), rng.random()
    impression = look(light_curves, t_break, t_cut)
    if impression is None:
        return Stage1(passed=False, score=-math.inf, snr=0.0, slip=False, impression=None)
    score = config.limit - doubts(impression, config)
    deserves = score + config.judgement_sigma * judgement > 0.0
    if deserves:
        slip = overlooked < config.miss_rate * math.exp(-impression.snr / config.miss_snr)
    else:
        slip = slipped < config.false_pass_rate
    return Stage1(
        passed=deserves != slip, score=score, snr=impression.snr, slip=bool(slip), impression=impression
    )


def unerring(
    light_curves: Sequence[LightCurve], t_break: float, t_cut: float, config: ReviewConfig
) -> tuple[float, float]:
    """Score and signal-to-noise ratio of `stage1`, which an unerring reviewer would go by.

    -inf and 0 if too little is there.
    """
    impression = look(light_curves, t_break, t_cut)
    return (
        (-math.inf, 0.0)
        if impression is None
        else (config.limit - doubts(impression, config), impression.snr)
    )


def doubts(impression: Impression, config: ReviewConfig) -> float:
    """Sum of the doubts about what was noticed, >= 0."""
    unconfirmed = max(2 - impression.sites, 0) * config.one_site
    faint = max(0.0, (config.faint.free - impression.snr) / config.faint.scale)
    return (
        faint
        + unconfirmed
        + config.misfit.of(impression.misfit)
        + config.scatter.of(impression.scatter)
        + config.disagreement.of(impression.disagreement)
        + config.earlier.of(impression.earlier)
        + config.wave.of(impression.wave)
        + config.burst.of(impression.burst)
        + config.fading.of(impression.fading)
        + config.suddenness.of(impression.suddenness)
        + config.haste.of(impression.haste)
        + config.no_baseline.of(impression.no_baseline)
    )


def stage2(kind: str, rng: np.random.Generator, config: ReviewConfig) -> bool:
    """Review the images of a candidate that passed stage 1; return whether it is alerted.

    Real events are kept and artefacts caught at their rates; the images of an isolated variable or of
    a quiet star are clean but its light curve is not that of an event, so that it is never alerted.
    ``rng`` is the star's own: whoever looks at the same images again sees the same.
    """
    chance = rng.random()
    if kind == EVENT:
        return bool(chance < config.event_kept)
    return kind in ARTEFACTS and bool(chance >= config.artefact_caught)
