"""Light curves of many years cut to one season, which is all that AlertFinder and the network look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.realism.real_files import rows
from stream_worker.preprocessing import LightCurve

GAP_DAYS: Final = 60.0
"""Without any observation for so long, a new season begins."""


@dataclass(frozen=True, slots=True)
class Season:
    """First and last observation of a season at any site, HJD - 2450000."""

    first: float
    last: float


def seasons(curves: Iterable[LightCurve]) -> tuple[Season, ...]:
    """Split the observations of a star, all datasets together, at gaps longer than `GAP_DAYS`."""
    columns = [np.asarray(curve.hjd, np.float64) for curve in curves]
    hjd = np.sort(np.concatenate(columns)) if columns else np.empty(0)
    if not hjd.size:
        return ()
    ends = np.flatnonzero(np.diff(hjd) > GAP_DAYS)
    first, last = np.concatenate(([0], ends + 1)), np.concatenate((ends, [hjd.size - 1]))
    return tuple(Season(float(hjd[i]), float(hjd[j])) for i, j in zip(first, last, strict=True))


def season_at(all_seasons: Iterable[Season], t: float) -> Season | None:
    """Return the season that had begun last at ``t``, also after its end; None before the first."""
    begun = [season for season in all_seasons if season.first <= t]
    return begun[-1] if begun else None


def within(curves: Iterable[LightCurve], season: Season, until: float) -> tuple[LightCurve, ...]:
    """Return the rows of a season up to and at ``until``, datasets without any left out."""
    parts = (
        rows(curve, (curve.hjd >= season.first) & (curve.hjd <= min(season.last, until))) for curve in curves
    )
    return tuple(part for part in parts if part.hjd.size)
