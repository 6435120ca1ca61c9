"""Who is primary: local rules, one hop, so that the answer depends on the set of candidates alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stream_worker.neighbours.cell import Neighbour
from stream_worker.neighbours.geometry import separation_arcsec
from stream_worker.neighbours.rules import GroupingRules
from stream_worker.neighbours.star import Entry, Star

_ARCSEC_PER_DEGREE = 3600


@dataclass(frozen=True, slots=True)
class Member:
    """A neighbour of a judged star with its latest candidate that counts, and its largest p_review."""

    star_id: str
    ra: float
    dec: float
    candidate_id: str
    separation_arcsec: float
    max_p_review: float
    max_p_review_candidate_id: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a star's latest candidate is among its neighbours.

    Parameters
    ----------
    strongest
        Star id of the strongest of the neighbours that are stronger; None for a primary.
    crowded
        Whether more stars than the limit are around.
    members
        The neighbours, nearest first; all weaker than a primary.
    """

    strongest: str | None
    crowded: bool
    members: tuple[Member, ...]

    @property
    def primary(self) -> bool:
        """Whether no neighbour is stronger."""
        return self.strongest is None


def judge(star: Star, near: Iterable[Neighbour], rules: GroupingRules) -> Verdict:
    """Verdict of a star by its latest candidate.

    Parameters
    ----------
    near
        Every other star within the radius.
    """
    latest = star.latest
    strongest: tuple[float, str] | None = None
    members = []
    for other, separation in near:
        compared = list(other.within(latest.t_cut, rules.memory_days))
        if not compared:
            continue
        best = (-max(entry.delta_chi2 for entry in compared), other.star_id)
        if best < (-latest.delta_chi2, star.star_id) and (strongest is None or best < strongest):
            strongest = best
        members.append(_member(other, separation, compared))
    members.sort(key=lambda member: (member.separation_arcsec, member.star_id))
    return Verdict(
        strongest=None if strongest is None else strongest[1],
        crowded=_crowded(members, rules),
        members=tuple(members),
    )


def _member(other: Star, separation: float, compared: Sequence[Entry]) -> Member:
    likeliest = max(compared, key=lambda entry: (entry.p_review, entry.t_cut))
    return Member(
        star_id=other.star_id,
        ra=other.ra,
        dec=other.dec,
        candidate_id=compared[-1].candidate_id,
        separation_arcsec=separation,
        max_p_review=likeliest.p_review,
        max_p_review_candidate_id=likeliest.candidate_id,
    )


def _crowded(members: Sequence[Member], rules: GroupingRules) -> bool:
    """Whether more than the limit of other stars are around, two ids of one star counted once.

    Of ids within ``same_star_arcsec`` of one another only the lowest counts; of those that near to the
    judged star, none.
    """
    if len(members) <= rules.crowd_limit:
        return False
    others = sorted((m for m in members if m.separation_arcsec > rules.same_star_arcsec), key=lambda m: m.dec)
    n = 0
    for place, member in enumerate(others):
        n += not _is_repeat(others, place, member, rules.same_star_arcsec)
        if n > rules.crowd_limit:
            return True
    return False


def _is_repeat(by_dec: Sequence[Member], place: int, member: Member, limit_arcsec: float) -> bool:
    """Whether an id lower than the member's is within the limit; ``by_dec`` ascends in declination."""
    reach = limit_arcsec / _ARCSEC_PER_DEGREE
    for step in (-1, 1):
        at = place + step
        while 0 <= at < len(by_dec) and abs(by_dec[at].dec - member.dec) <= reach:
            other = by_dec[at]
            lower = other.star_id < member.star_id
            if lower and separation_arcsec(other.ra, other.dec, member.ra, member.dec) <= limit_arcsec:
                return True
            at += step
    return False
