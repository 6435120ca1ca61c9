"""When a group is published, updated or retracted: pure decisions about one star."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from stream_worker.neighbours.rules import GroupingRules
from stream_worker.neighbours.star import Entry, Published, Star
from stream_worker.neighbours.verdict import Verdict
from stream_worker.outcome import OutcomeKind

OPERATOR = "operator"
SUPERSEDED = "superseded"
CROWDED = "crowded"
GROWN = "delta_chi2_grown"
NOT_LIVE = "not_live"
LATER_CANDIDATE = "later_candidate"


class AlertType(StrEnum):
    """Where an alert stands in its group's life."""

    INITIAL = "INITIAL"
    UPDATE = "UPDATE"
    RETRACTION = "RETRACTION"


@dataclass(frozen=True, slots=True)
class Step:
    """What a released candidate comes to: its outcome, and the alert to send, if any."""

    outcome: OutcomeKind
    outcome_reason: str | None = None
    alert: AlertType | None = None
    alert_reason: str = ""


def step_of(
    star: Star, entry: Entry, verdict: Verdict, rules: GroupingRules, *, takes_over: bool = False
) -> Step:
    """Decide what a released candidate of a star means for its group.

    Parameters
    ----------
    star
        As it is now, the candidate in its history.
    entry
        The candidate; it counts only if it is the star's latest.
    verdict
        Of the star's latest candidate.
    takes_over
        Whether a weaker neighbour was published at the pure threshold, as in a crowd it would be, too: then
        the crowd does not keep its successor back.
    """
    published = star.published
    if verdict.strongest is not None:
        alert = AlertType.RETRACTION if published is not None and published.live else None
        return Step(OutcomeKind.GROUPED_AWAY, verdict.strongest, alert, SUPERSEDED)
    if entry.id_bytes != star.latest.id_bytes:
        return Step(OutcomeKind.UNCHANGED, LATER_CANDIDATE)
    if published is None or not (published.live or published.by_operator):
        return _first(entry, verdict, rules, takes_over=takes_over)
    if published.by_operator:
        return Step(OutcomeKind.UNCHANGED, OPERATOR)
    return _again(published, entry, verdict, rules)


def _first(entry: Entry, verdict: Verdict, rules: GroupingRules, *, takes_over: bool) -> Step:
    """Decide on a primary that isn't live."""
    if entry.p_review < rules.publish_at:
        return Step(OutcomeKind.BELOW_THRESHOLD, rules.publish_threshold)
    if verdict.crowded and entry.p_review < rules.pure_at and not takes_over:
        return Step(OutcomeKind.CROWDED, rules.pure_threshold)
    reason = f"threshold_crossed:{rules.publish_threshold}"
    return Step(OutcomeKind.PUBLISHED, AlertType.INITIAL, AlertType.INITIAL, reason)


def _again(published: Published, entry: Entry, verdict: Verdict, rules: GroupingRules) -> Step:
    """Decide on a primary that is live."""
    reason = material_change(published, entry, verdict, rules)
    if reason is None:
        return Step(OutcomeKind.UNCHANGED)
    return Step(OutcomeKind.PUBLISHED, AlertType.UPDATE, AlertType.UPDATE, reason)


def material_change(published: Published, entry: Entry, verdict: Verdict, rules: GroupingRules) -> str | None:
    """Why follow-up teams should hear of a live primary again, or None."""
    crossed = rules.crossed((published.p_review, entry.p_review), (published.p_event, entry.p_event))
    if crossed is not None:
        return f"threshold_crossed:{crossed}"
    if entry.delta_chi2 >= rules.growth_factor * published.delta_chi2:
        return GROWN
    if verdict.crowded and not published.crowded:
        return CROWDED
    return None


def after_alert(
    published: Published | None, alert: AlertType, entry: Entry, verdict: Verdict, body: bytes
) -> Published:
    """What has been published once the alert is sent; a retraction keeps the figures of the last alert."""
    revision = 0 if published is None else published.revision
    if alert is AlertType.RETRACTION and published is not None:
        return replace(published, live=False, revision=revision + 1, body=b"")
    return Published(
        live=True,
        revision=revision + 1,
        p_review=entry.p_review,
        p_event=entry.p_event,
        delta_chi2=entry.delta_chi2,
        crowded=verdict.crowded,
        by_operator=False,
        body=body,
    )
