"""The Alert record: a score with its place among its neighbours and in its group's life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stream_worker.neighbours import Alert, AlertType, Member, alert_id
from stream_worker.rule_settings import RuleSettings
from stream_worker.score_record import data_age, decisions

MOST_LISTED = 200
"""Members that an alert lists, the nearest: thousands would make it larger than its topic takes."""

_ONLY_IN_SCORES = frozenset({"t_cut", "cell", "home_cell", "halo"})


def alert_record(
    alert: Alert, score: Mapping[str, Any], rules: RuleSettings, published_at: int
) -> dict[str, Any]:
    """Alert record (schema alert v1).

    Parameters
    ----------
    score
        The Score record behind the alert.
    published_at
        Milliseconds since 1970-01-01 UTC.
    """
    body = {name: value for name, value in score.items() if name not in _ONLY_IN_SCORES}
    if score["replay_id"] is None:  # a replay is looked at as of its candidates; a late alert is not fresh
        body |= data_age(published_at, score["hjd_last"], rules)
    # a retracted group has no members: its neighbours are another's
    members = () if alert.type is AlertType.RETRACTION else alert.verdict.members
    return {
        **body,
        "alert_id": alert_id(alert.group_id, score["candidate_id"], alert.type, alert.revision),
        "group_id": alert.group_id,
        "alert_type": alert.type.value,
        "reason": alert.reason,
        "superseded_by": alert.superseded_by,
        "decisions": decisions(score["p_review"], rules.thresholds),
        "settings_hash": rules.hash,
        "neighbours": _neighbours(members, len(alert.verdict.members), crowded=alert.verdict.crowded),
        "published_at": published_at,
    }


def _neighbours(members: Sequence[Member], count: int, *, crowded: bool) -> dict[str, Any]:
    likeliest = max(members, key=lambda member: (member.max_p_review, member.star_id), default=None)
    return {
        "count": count,
        "members": [
            {
                "star_id": member.star_id,
                "candidate_id": member.candidate_id,
                "separation_arcsec": member.separation_arcsec,
            }
            for member in members[:MOST_LISTED]
        ],
        "max_p_review": None if likeliest is None else likeliest.max_p_review,
        "max_p_review_candidate_id": None if likeliest is None else likeliest.max_p_review_candidate_id,
        "crowded": crowded,
    }
