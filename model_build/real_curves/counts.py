"""Counts of announced cuts, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from model_build.evaluation.streamed import EVENT_THRESHOLDS
from model_build.real_curves.scoring import ScoredCut

_Z = 1.959964  # two-sided 95 %


def wilson(found: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927); 0 to 1 of none."""
    if not of:
        return 0.0, 1.0
    share, z2 = found / of, _Z**2 / of
    middle = share + z2 / 2.0
    half = _Z * math.sqrt(share * (1.0 - share) / of + z2 / (4.0 * of))
    return max((middle - half) / (1.0 + z2), 0.0), min((middle + half) / (1.0 + z2), 1.0)


@dataclass(frozen=True, slots=True)
class Share:
    """``found`` of ``of``, with its 95 % interval."""

    found: int
    of: int
    low: float
    high: float

    def __str__(self) -> str:
        if not self.of:
            return "none"
        return f"{self.found}/{self.of} = {self.found / self.of:.2f} ({self.low:.2f}-{self.high:.2f})"


def share(found: int, of: int) -> Share:
    """Return a share with its interval."""
    return Share(found, of, *wilson(found, of))


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of the cuts of one group at one ``when``.

    Parameters
    ----------
    group, when
        Which.
    is_event
        Whether an announcement is right.
    stars
        In the group.
    observed, flagged, scored
        Stars whose season had begun, those that AlertFinder flags, and flagged ones with a score.
    among_flagged, among_all
        Announced at each threshold, of the flagged stars; of all stars, flagged or not (of events only).
    by_p_event
        Announced at each of `EVENT_THRESHOLDS` of p_event, of the flagged stars; empty without p_event.
    before_peak
        Flagged events whose cut is before t_0; None of other stars.
    p_review, class_probabilities
        Means over flagged stars with a score; None without any.
    phase
        Median (t_cut - t_0) / t_E of flagged events; None of other stars or without any.
    """

    group: str
    when: str
    is_event: bool
    stars: int
    observed: int
    flagged: int
    scored: int
    among_flagged: Mapping[str, Share]
    among_all: Mapping[str, Share]
    by_p_event: Mapping[str, Share]
    before_peak: Share | None
    p_review: float | None
    class_probabilities: tuple[float, float, float] | None
    phase: float | None

    def as_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


def tally(
    group: str,
    cuts: Sequence[ScoredCut],
    when: str,
    stars: int,
    thresholds: Mapping[str, float],
    *,
    is_event: bool,
    calibrated: bool,
) -> Tally:
    """Count those of the cuts of one group that are at ``when``, at most one of each of its stars.

    ``calibrated`` tells whether the bundle gives p_event.
    """
    mine = [one for one in cuts if one.cut.when == when]
    flagged = [one for one in mine if one.cut.flagged]
    scores = [one.score for one in flagged if one.score is not None]
    phases = [phase for one in flagged if (phase := one.cut.phase) is not None]
    mean = np.mean([score.class_probabilities for score in scores], axis=0).tolist() if scores else None
    return Tally(
        group=group,
        when=when,
        is_event=is_event,
        stars=stars,
        observed=sum(bool(one.cut.curves) for one in mine),
        flagged=len(flagged),
        scored=len(scores),
        among_flagged={
            name: share(sum(one.announced(t) for one in flagged), len(flagged))
            for name, t in thresholds.items()
        },
        among_all={
            name: share(sum(one.announced(t) for one in mine), stars) for name, t in thresholds.items()
        },
        by_p_event={
            name: share(sum(one.likely(t) for one in flagged), len(flagged))
            for name, t in EVENT_THRESHOLDS.items()
            if calibrated
        },
        before_peak=share(sum(phase < 0.0 for phase in phases), len(phases)) if is_event else None,
        p_review=float(np.mean([score.p_review for score in scores])) if scores else None,
        class_probabilities=None if mean is None else (mean[0], mean[1], mean[2]),
        phase=float(np.median(phases)) if phases else None,
    )
