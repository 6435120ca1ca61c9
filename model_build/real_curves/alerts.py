"""When AlertFinder would have flagged a real star, and what it would have said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.real_curves.seasons import Season, season_at, seasons, within
from model_build.real_curves.star import RealStar
from stream_worker.alertfinder import DetectionConfig, RunDate, scan
from stream_worker.preprocessing import LightCurve, trigger

_RUN_HOUR: Final = 0.75  # of an HJD: 6 h UT, as the survey's runs
_AGE: Final = 3.5  # days after a season's last observation that a run may still flag


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A star as of ``t_cut`` (HJD - 2450000): what the network would be given.

    Parameters
    ----------
    star
        Which.
    when
        "k = 1", "first" or "last" flagged date.
    t_cut
        Time of the cut.
    curves
        Of its season, up to t_cut; empty if it had not been observed.
    flagged
        Whether AlertFinder's whole criterion holds.
    t_break, slope, delta_chi2
        AlertFinder's line; if not flagged, that of its best site, None where none can be fitted.
    """

    star: RealStar
    when: str
    t_cut: float
    curves: tuple[LightCurve, ...]
    flagged: bool
    t_break: float | None
    slope: float | None
    delta_chi2: float | None

    @property
    def is_candidate(self) -> bool:
        """Whether a line rises, as the reader of the survey's files also demands."""
        return self.t_break is not None and self.slope is not None and self.slope > 0.0

    @property
    def phase(self) -> float | None:
        """(t_cut - t_0) / t_E; None where nobody knows the peak, or there is none."""
        peak = self.star.peak
        return None if peak is None else (self.t_cut - peak.t_0) / peak.t_e

    @property
    def rows_before_break(self) -> int | None:
        """Rows that show the star before its rise; None where no line was fitted."""
        if self.t_break is None:
            return None
        return sum(int(np.count_nonzero(curve.hjd < self.t_break)) for curve in self.curves)


def cut_at(star: RealStar, when: str, t_cut: float, config: DetectionConfig) -> Cut:
    """Cut a star's light curve at a time and ask AlertFinder about it."""
    season = season_at(seasons(star.curves), t_cut)
    curves = () if season is None else within(star.curves, season, t_cut)
    found = scan(curves, [RunDate(when, t_cut)], config, config.thresholds(star.cadence)) if curves else []
    line = found[0] if found else (trigger(curves, t_cut=t_cut) if curves else None)
    if line is None:
        return Cut(star, when, t_cut, curves, flagged=False, t_break=None, slope=None, delta_chi2=None)
    return Cut(star, when, t_cut, curves, bool(found), line.t_break, line.slope, line.delta_chi2)


def flagged_dates(star: RealStar, config: DetectionConfig, only: Season | None = None) -> tuple[float, ...]:
    """Return the daily runs at which AlertFinder flags a star, of all its seasons or of one of them."""
    thresholds = config.thresholds(star.cadence)
    dates: list[float] = []
    for season in seasons(star.curves) if only is None else (only,):
        curves = within(star.curves, season, math.inf)
        dates += [found.t_cut for found in scan(curves, _runs(season), config, thresholds)]
    return tuple(dates)


def first_and_last(star: RealStar, config: DetectionConfig, only: Season | None = None) -> tuple[Cut, ...]:
    """Cut a star at the first and at the last run that flags it; none if none does."""
    dates = flagged_dates(star, config, only)
    if not dates:
        return ()
    return cut_at(star, "first", dates[0], config), cut_at(star, "last", dates[-1], config)


def event_season(star: RealStar) -> Season | None:
    """Return the season of an event's peak; None where nobody knows it or it was not observed."""
    if star.peak is None:
        return None
    season = season_at(seasons(star.curves), star.peak.t_0)
    return season if season is not None and star.peak.t_0 <= season.last else None


def _runs(season: Season) -> Sequence[RunDate]:
    first = math.floor(season.first) + _RUN_HOUR
    days = range(1 if first < season.first else 0, math.ceil(season.last + _AGE - first) + 1)
    return [RunDate(f"{first + day:.2f}", first + day) for day in days]
