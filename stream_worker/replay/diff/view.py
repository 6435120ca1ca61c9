"""One run as a comparison sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Sent = tuple[str, str]
"""Type and reason of an alert."""


class Seen(NamedTuple):
    """What became of one candidate.

    ``probabilities`` are p_review and those of yes, maybe, no, None where it was not scored; ``passed`` the
    names of the thresholds reached; ``p_event`` None where it was not scored or the model isn't calibrated.
    """

    candidate_id: str
    star_id: str
    t_cut: float
    outcome: str
    reason: str | None
    probabilities: tuple[float, float, float, float] | None
    passed: frozenset[str]
    p_event: float | None = None


class StarEnd(NamedTuple):
    """A star's place at the end of a run; ``strongest`` is the star that outshines it, None for a primary."""

    strongest: str | None
    members: tuple[str, ...]
    crowded: bool


@dataclass(slots=True)
class RunView:
    """A run.

    Parameters
    ----------
    about
        What decided it, as far as it is known.
    thresholds
        Of p_review, by name.
    candidates
        By candidate id.
    refused
        Quarantined records, by reason.
    stars
        Those that took part in grouping.
    live
        Stars whose group was live at the end.
    lifecycle
        Alerts of each star's group, in order.
    """

    name: str
    about: dict[str, Any] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    candidates: dict[str, Seen] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    stars: dict[str, StarEnd] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    lifecycle: dict[str, list[Sent]] = field(default_factory=dict)

    def add(self, seen: Seen) -> None:
        """Add a candidate; a repeated one counts once."""
        known = self.candidates.get(seen.candidate_id)
        if known is None or known.probabilities is None:
            self.candidates[seen.candidate_id] = seen

    def forget_undated(self, known: Iterable[str]) -> None:
        """Leave out what has no t_cut to tell its night by, but for candidates that the other run knows."""
        wanted = set(known)
        self.refused.clear()
        self.candidates = {
            name: one for name, one in self.candidates.items() if one.star_id or name in wanted
        }

    def send(self, star_id: str, alerts: Iterable[Sent]) -> None:
        """Add alerts of a star's group, in order."""
        for alert in alerts:
            self.lifecycle.setdefault(star_id, []).append(alert)
            (self.live.discard if alert[0] == "RETRACTION" else self.live.add)(star_id)
