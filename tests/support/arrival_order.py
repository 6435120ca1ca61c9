"""What readers of the topic are left with when a sky comes in waves: by DESIGN's rules and brute force.

A wave is settled, every hold over, before the next one begins; within it nothing is known of the order, nor
of when a hold ends. So a star has a set of possible ends, of one element wherever the rules leave no choice.

A crowd keeps a primary back, unless it takes over from a weaker neighbour that was published at the pure
threshold; of one in another sky cell it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from stream_worker.neighbours import GroupingRules, Sighting
from stream_worker.sky import SkyCells
from support.sky import Truth, clusters, reference


class Seen(StrEnum):
    """What a folded view shows of a star."""

    NOTHING = "nothing"
    LIVE = "live"
    CROWDED = "live, flagged crowded"


Waves = list[list[Sighting]]
Ends = dict[str, frozenset[Seen]]
_TRIES = 20
_NEVER = frozenset({Seen.NOTHING})


@dataclass(frozen=True)
class _Told:
    """Stars that may have been published at the pure threshold; those that surely were before the wave."""

    maybe: frozenset[str]
    surely: frozenset[str]
    cells: Mapping[str, int]

    def may_precede(self, phase: _Phase) -> bool:
        return bool(phase.most.neighbours & self.maybe)

    def must_precede(self, star: str, phase: _Phase) -> bool:
        its = phase.least.neighbours & self.surely
        return any(self.cells[other] == self.cells[star] for other in its)


def seen_after_each(waves: Sequence[Sequence[Sighting]], rules: GroupingRules) -> list[Ends]:
    """What may be seen of each participating star after each wave.

    Who takes part must be who may be published, and nothing may be forgotten or come too late.
    """
    cells = _home_cells([s for wave in waves for s in wave], rules)
    maybe: frozenset[str] = frozenset()
    surely: frozenset[str] = frozenset()
    assert rules.group_threshold == rules.publish_threshold
    times = [s.t_cut for wave in waves for s in wave]
    assert not times or max(times) - min(times) < rules.lateness_days
    ends: list[Ends] = []
    before: list[Sighting] = []
    for wave in waves:
        after = [*before, *wave]
        known = ends[-1] if ends else {}
        truth = reference(after, rules)
        pure = {s.star_id for s in wave if s.p_review >= rules.pure_at}
        maybe |= {star for star in pure if _may_be_told(star, before, after, rules)}
        told = _Told(maybe, surely, cells)
        ends.append(
            {
                star: _ends(known.get(star, _NEVER), star, t, before, after, rules, told)
                for star, t in truth.items()
            }
        )
        # of a live star readers know its latest candidate: crossing the pure threshold is told
        live = {star for star, seen in ends[-1].items() if Seen.NOTHING not in seen}
        at_pure = frozenset(star for star in live if truth[star].latest.p_review >= rules.pure_at)
        maybe, surely = maybe - live | at_pure, surely - live | at_pure
        before = after
    return ends


def _may_be_told(star: str, before: list[Sighting], after: list[Sighting], rules: GroupingRules) -> bool:
    _, new = _phases(star, before, after, rules)
    return any(phase.may_be_primary and phase.p_review >= rules.pure_at for phase in new)


def _home_cells(sightings: Sequence[Sighting], rules: GroupingRules) -> dict[str, int]:
    if not sightings:
        return {}
    ra, dec = (np.array([getattr(s, name) for s in sightings]) for name in ("ra", "dec"))
    placed = SkyCells(rules.radius_arcsec).cells(ra, dec)
    return {s.star_id: home for s, (home, *_) in zip(sightings, placed, strict=True)}


def certain(ends: Ends) -> dict[str, Seen]:
    """The one end of every star; an AssertionError names those whose end depends on the order in a wave."""
    open_ended = {star: sorted(seen) for star, seen in ends.items() if len(seen) > 1}
    assert not open_ended, f"depends on the order within a wave: {open_ended}"
    return {star: seen for star, (seen,) in ends.items()}


@dataclass(frozen=True)
class _Phase:
    """A time in a wave during which one candidate is its star's latest.

    ``least`` and ``most`` are its verdicts before anybody else of the wave has come, and after all have.
    """

    p_review: float
    least: Truth
    most: Truth

    @property
    def may_be_primary(self) -> bool:
        return self.least.strongest is None

    @property
    def may_be_outshone(self) -> bool:
        return self.most.strongest is not None

    def may_be_crowded(self, rules: GroupingRules) -> bool:
        return len(self.most.counted - self.least.repeats) > rules.crowd_limit

    def must_be_crowded(self, rules: GroupingRules) -> bool:
        return len(self.least.counted - self.most.repeats) > rules.crowd_limit

    def may_be_withheld(self, rules: GroupingRules) -> bool:
        return self.p_review < rules.pure_at and self.may_be_crowded(rules)

    def may_be_published(self, rules: GroupingRules, told: _Told) -> bool:
        pure_enough = self.p_review >= rules.pure_at or not self.must_be_crowded(rules)
        return self.may_be_primary and (pure_enough or told.may_precede(self))


def _ends(
    known: frozenset[Seen],
    star: str,
    truth: Truth,
    before: list[Sighting],
    after: list[Sighting],
    rules: GroupingRules,
    told: _Told,
) -> frozenset[Seen]:
    """Ends of a star after a wave, from those before it."""
    if truth.strongest is not None:
        return _NEVER  # whatever came last, it or the stronger one, took it back
    old, new = _phases(star, before, after, rules)
    return frozenset().union(*(_ends_of_primary(star, seen, old, new, rules, told) for seen in known))


def _phases(
    star: str, before: list[Sighting], after: list[Sighting], rules: GroupingRules
) -> tuple[_Phase | None, list[_Phase]]:
    """The phase a wave finds a star in, if any, and those that may follow, ascending in t_cut.

    The latest sighting of the wave is surely a phase; of those before it any may be missed.
    """

    def own(sightings):
        return {s.t_cut: s for s in sightings if s.star_id == star and s.p_review >= rules.group_at}

    def phase(latest):
        def until(sightings):
            return [s for s in sightings if s.star_id != star or s.t_cut <= latest.t_cut]

        others = [s for s in before if s.star_id != star]
        least = reference([*others, latest], rules)[star]
        return _Phase(latest.p_review, least, reference(until(after), rules)[star])

    earlier = own(before)
    last = max(earlier, default=float("-inf"))
    new = [phase(s) for t_cut, s in sorted(own(after).items()) if t_cut > last]
    return phase(earlier[last]) if earlier else None, new


def _ends_of_primary(
    star: str, seen: Seen, old: _Phase | None, new: list[_Phase], rules: GroupingRules, told: _Told
) -> set[Seen]:
    """Ends of a star that is primary after the wave, if it was seen so before it."""
    was_live = seen is not Seen.NOTHING
    if not new:  # no candidate of its own to be decided on: it stays as it is, but may be flagged
        assert old is not None
        return _flags(seen is Seen.CROWDED, False, [old], rules) if was_live else {Seen.NOTHING}
    *passing, last = new
    # what may be when the last candidate is decided on
    live = was_live or any(phase.may_be_published(rules, told) for phase in passing)
    outshone = any(phase.may_be_outshone for phase in ([old] if old else []) + passing)
    not_live = not was_live or outshone
    ends: set[Seen] = set()
    kept_back = last.p_review < rules.pure_at and last.must_be_crowded(rules) and not told.may_precede(last)
    if live or not kept_back:
        phases = new if old is None or not was_live else [old, *new]
        ends |= _flags(seen is Seen.CROWDED, True, phases, rules)
    if not_live and last.may_be_withheld(rules) and not told.must_precede(star, last):
        ends.add(Seen.NOTHING)
    return ends


def _flags(flagged: bool, decided: bool, phases: list[_Phase], rules: GroupingRules) -> set[Seen]:
    """Whether a live star is flagged in the end.

    An alert flags it as soon as it is crowded; only a later alert of a later candidate takes that back.
    """
    if phases[-1].most.crowd > rules.crowd_limit:
        return {Seen.CROWDED}
    may_be = flagged or any(phase.may_be_crowded(rules) for phase in phases)
    must_be = flagged and not decided
    return ({Seen.CROWDED} if may_be else set()) | (set() if must_be else {Seen.LIVE})


def known_sky(n: int, seed: int, rules: GroupingRules) -> tuple[list[Waves], int]:
    """Clusters of at least ``n`` candidates in two waves each, and how many no two waves would settle."""
    rng = np.random.default_rng(seed)
    sky: list[Waves] = []
    left_out = total = 0
    for cluster in clusters(rng):
        waves = in_two_waves(cluster, rng, rules)
        if waves is None:
            left_out += 1
            continue
        sky.append(waves)
        total += len(cluster)
        if total >= n:
            break
    return sky, left_out


def in_two_waves(cluster: Sequence[Sighting], rng: np.random.Generator, rules: GroupingRules) -> Waves | None:
    """A cluster at random in two waves whose order alone decides what is seen in the end; None if none do.

    Every other try puts the primaries that a crowd may keep back into one wave, all others into the other.
    """
    truth = reference(cluster, rules)
    at_stake = {star for star, found in truth.items() if kept_back_by_a_crowd(found, rules)}
    for attempt in range(_TRIES):
        in_first = rng.random(len(cluster)) < 0.5
        if at_stake and attempt % 2:
            in_first = np.array([s.star_id in at_stake for s in cluster]) ^ (rng.random() < 0.5)
        waves = [
            [s for s, first in zip(cluster, in_first, strict=True) if first == wanted]
            for wanted in (True, False)
        ]
        if all(len(seen) == 1 for seen in seen_after_each(waves, rules)[-1].values()):
            return waves
    return None


def kept_back_by_a_crowd(found: Truth, rules: GroupingRules) -> bool:
    """Whether a star is a primary that is published only if its crowd came after it."""
    crowded = found.crowd > rules.crowd_limit
    return found.strongest is None and crowded and found.latest.p_review < rules.pure_at
