"""What the live stream may forget, by event time alone; of replays and tests nothing is forgotten."""

from __future__ import annotations

from stream_worker.neighbours.rules import GroupingRules
from stream_worker.neighbours.star import Star


def still_needed(star: Star, newest: float, rules: GroupingRules) -> Star | None:
    """The star without what nobody can need who is not too late at event time ``newest``; None for all.

    Whoever may still come compares with candidates at most ``keep_days`` old. Of a star that was published
    or is held the latest candidate stays, so that its next one is an update and not news.
    """
    horizon = newest - rules.keep_days
    if next(star.entries()).t_cut >= horizon:
        return star
    kept = star.since(horizon)
    if kept.history:
        return kept
    told = star.published is not None and star.latest.t_cut >= newest - rules.forget_days
    return star.since(star.latest.t_cut) if told or star.held else None
