"""The rules of grouping, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class GroupingRules:
    """What counts as a neighbour, who is published, and for how long anything is remembered.

    Parameters
    ----------
    radius_arcsec
        Stars within this great-circle distance are neighbours.
    memory_days
        Only candidates at most this far apart in t_cut are compared.
    same_star_arcsec
        Ids within this are one star in two fields: neighbours, but no crowd.
    crowd_limit
        More other stars than this within the radius make a star crowded.
    lateness_days
        A live candidate further behind the newest t_cut than this comes too late to be judged.
    forget_days
        A published star without candidates is forgotten after this many days, in the live stream; a
        longer-lived event that comes back later would be published as a new one.
    growth_factor
        An UPDATE is sent when delta_chi2 has grown by this factor since the last alert.
    thresholds
        Named thresholds of p_review.
    event_thresholds
        Named thresholds of p_event: an UPDATE is sent when one is crossed.
    group_threshold, publish_threshold, pure_threshold
        Their names: who takes part, who is published, who is published in a crowd.
    hold_ms
        How long a candidate waits for stronger neighbours, wall clock.
    """

    radius_arcsec: float = 20.0
    memory_days: float = 6.0
    same_star_arcsec: float = 1.0
    crowd_limit: int = 10
    lateness_days: float = 24.0
    forget_days: float = 200.0
    growth_factor: float = 2.0
    thresholds: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"balanced": 0.45, "pure": 0.955})
    )
    event_thresholds: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"possible": 0.1, "likely": 0.5})
    )
    group_threshold: str = "balanced"
    publish_threshold: str = "balanced"
    pure_threshold: str = "pure"
    hold_ms: int = 2_000

    @property
    def group_at(self) -> float:
        """P_review from which a candidate takes part."""
        return self.thresholds[self.group_threshold]

    @property
    def publish_at(self) -> float:
        """P_review from which a primary is published."""
        return self.thresholds[self.publish_threshold]

    @property
    def pure_at(self) -> float:
        """P_review from which a primary is published though it is crowded."""
        return self.thresholds[self.pure_threshold]

    @property
    def keep_days(self) -> float:
        """How far back a live candidate is kept: whoever may still come compares with nothing older."""
        return self.memory_days + self.lateness_days

    def crossed(self, p_review: tuple[float, float], p_event: tuple[float, float]) -> str | None:
        """Name the highest threshold between two scores, of p_review before p_event; None if there is none.

        An unknown p_event (NaN) crosses nothing.
        """
        return _highest_between(self.thresholds, *p_review) or _highest_between(
            self.event_thresholds, *p_event
        )


def _highest_between(thresholds: Mapping[str, float], before: float, now: float) -> str | None:
    if isnan(before) or isnan(now):
        return None
    crossed = [(at, name) for name, at in thresholds.items() if (before >= at) != (now >= at)]
    return max(crossed)[1] if crossed else None
