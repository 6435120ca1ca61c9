"""What differs between two runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from stream_worker.replay.diff.view import RunView, Seen, Sent, StarEnd

TOLERANCE: Final = 1e-6
"""Scores that differ by no more are the same: batches are cut differently live and offline."""


class Pair(NamedTuple):
    """A candidate in both runs."""

    a: Seen
    b: Seen

    @property
    def change(self) -> float:
        """Largest difference of any of its probabilities; 0 unless scored in both.

        A p_event that only one has differs by 1.
        """
        if self.a.probabilities is None or self.b.probabilities is None:
            return 0.0
        changes = [abs(x - y) for x, y in zip(self.a.probabilities, self.b.probabilities, strict=True)]
        if self.a.p_event is not None and self.b.p_event is not None:
            changes.append(abs(self.a.p_event - self.b.p_event))
        elif self.a.p_event != self.b.p_event:
            changes.append(1.0)
        return max(changes)


@dataclass(frozen=True, slots=True)
class Diff:
    """The differences of run ``a`` and run ``b``.

    Parameters
    ----------
    pairs
        Every candidate in both.
    only_a, only_b
        Candidates in one alone.
    refused
        Reasons of quarantine, with how often in each, where that differs.
    outcomes
        Candidates scored in one and not in the other, or refused for another reason.
    scores
        Candidates whose probabilities, p_event among them, differ by more than the tolerance, the largest
        change first.
    decisions
        Candidates that reach other thresholds.
    groups
        Stars with another primary or other members at the end.
    live
        Stars whose group is live at the end of one only.
    lifecycles
        Stars whose alerts differ: reported, no failure, since they depend on the order of arrival.
    pins
        What decided the runs, where it differs.
    """

    a: RunView
    b: RunView
    tolerance: float
    pairs: tuple[Pair, ...]
    only_a: tuple[Seen, ...]
    only_b: tuple[Seen, ...]
    refused: dict[str, tuple[int, int]]
    outcomes: tuple[Pair, ...]
    scores: tuple[Pair, ...]
    decisions: tuple[Pair, ...]
    groups: dict[str, tuple[StarEnd | None, StarEnd | None]]
    live: dict[str, tuple[bool, bool]]
    lifecycles: dict[str, tuple[list[Sent], list[Sent]]]
    pins: dict[str, tuple[Any, Any]]

    @property
    def empty(self) -> bool:
        """Whether candidates, scores, decisions and final groups are the same."""
        return not any(
            (
                self.only_a,
                self.only_b,
                self.refused,
                self.outcomes,
                self.scores,
                self.decisions,
                self.groups,
                self.live,
            )
        )


def compare(a: RunView, b: RunView, *, tolerance: float = TOLERANCE) -> Diff:
    """Compare two runs candidate by candidate and star by star."""
    both = sorted(
        (Pair(one, b.candidates[name]) for name, one in a.candidates.items() if name in b.candidates),
        key=lambda pair: (-pair.change, pair.a.candidate_id),
    )
    return Diff(
        a=a,
        b=b,
        tolerance=tolerance,
        pairs=tuple(both),
        only_a=_only(a, b),
        only_b=_only(b, a),
        refused=_differing(a.refused, b.refused, 0),
        outcomes=tuple(pair for pair in both if pair.a.outcome != pair.b.outcome),
        scores=tuple(pair for pair in both if pair.change > tolerance),
        decisions=tuple(pair for pair in both if _both_scored(pair) and pair.a.passed != pair.b.passed),
        groups=_differing(a.stars, b.stars, None),
        live={star: (star in a.live, star in b.live) for star in sorted(a.live ^ b.live)},
        lifecycles=_differing(a.lifecycle, b.lifecycle, []),
        pins={name: pin for name, pin in _differing(a.about, b.about, None).items() if None not in pin},
    )


def crossings(pair: Pair, thresholds: Iterable[str]) -> list[tuple[str, bool]]:
    """Thresholds that only one run reaches, with whether it is run b."""
    return [
        (name, name in pair.b.passed)
        for name in thresholds
        if (name in pair.a.passed) != (name in pair.b.passed)
    ]


def _both_scored(pair: Pair) -> bool:
    return pair.a.probabilities is not None and pair.b.probabilities is not None


def _only(one: RunView, other: RunView) -> tuple[Seen, ...]:
    return tuple(seen for name, seen in sorted(one.candidates.items()) if name not in other.candidates)


def _differing(a: Any, b: Any, default: Any) -> dict[Any, tuple[Any, Any]]:
    names = sorted({*a, *b})
    return {
        name: (a.get(name, default), b.get(name, default))
        for name in names
        if a.get(name, default) != b.get(name, default)
    }
