"""Labels of a season's stars from what reviewers did.

After Viaña et al. 2025, sec. 4: Yes was alerted and confirmed at the end of the season, Maybe passed
the light-curve review but was not alerted, No never passed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from model_build.season.eventfinder import EventClass
from model_build.season.neighbours import Positioned, positions
from model_build.season.review import EVENT
from stream_worker.preprocessing.light_curve import BoolArray

CONFIRMED: Final = frozenset({EventClass.CLEAR, EventClass.PROBABLE})
EXCLUSION_ARCSEC: Final = 20.0


class Label(StrEnum):
    """The three classes; a star that could have several gets the first of them."""

    YES = "yes"
    MAYBE = "maybe"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Appearance:
    """A star in one run's list for review.

    Parameters
    ----------
    run_id, t_cut
        The run (UT day) and its time, HJD - 2450000.
    new
        Whether it was reviewed: not rejected in the last days, and not alerted before.
    passed
        Whether it passed the light-curve review.
    alerted
        Whether it was the strongest of its neighbours, passed the images too and was announced.
    """

    run_id: str
    t_cut: float
    new: bool
    passed: bool
    alerted: bool


@dataclass(frozen=True, slots=True)
class StarHistory:
    """A star's appearances in order of time, and what it turned out to be.

    Parameters
    ----------
    star_id, ra, dec
        Degrees, ICRS.
    source
        The same for entries of one star in two fields.
    kind
        Hidden truth.
    event_class
        Of the season-end check; None where none was made.
    appearances
        At least one.

    Raises
    ------
    ValueError
        If there are no appearances, they are not in order, one passed without being reviewed or was
        alerted without passing.
    """

    star_id: str
    ra: float
    dec: float
    source: int
    kind: str
    event_class: EventClass | None
    appearances: tuple[Appearance, ...]

    def __post_init__(self) -> None:
        times = [appearance.t_cut for appearance in self.appearances]
        if not times or any(earlier >= later for earlier, later in pairwise(times)):
            raise ValueError(f"star {self.star_id}: t_cut of its appearances must ascend, got {times}")
        for appearance in self.appearances:
            if appearance.passed > appearance.new or appearance.alerted > appearance.passed:
                raise ValueError(
                    f"star {self.star_id}, run {appearance.run_id}: passed needs new and alerted needs "
                    f"passed, got {appearance}"
                )

    @property
    def is_alerted(self) -> bool:
        """Whether it was ever announced."""
        return any(appearance.alerted for appearance in self.appearances)

    @property
    def is_listed(self) -> bool:
        """Whether the season's table of events has it: found again, and real or at least announced."""
        if self.event_class is None:
            return False
        if self.kind == EVENT:
            return self.event_class is not EventClass.NONE
        return self.is_alerted and self.event_class in CONFIRMED


@dataclass(frozen=True, slots=True)
class LabelledStar:
    """A star with its label and the two dates it is looked at.

    ``run_id``, ``t_cut`` are of the candidate that carries the label; ``first_run_id``, ``first_t_cut``
    of the first run that listed the star, when a classifier in operation sees it.
    """

    star_id: str
    label: Label
    ra: float
    dec: float
    source: int
    run_id: str
    t_cut: float
    first_run_id: str
    first_t_cut: float


def label_star(history: StarHistory) -> LabelledStar | None:
    """Return the star's label, None if it deserves none.

    The date is the last one flagged, ending at the alert: Yes has that of its alert, Maybe the last
    on which it passed the light-curve review, No the last on which it was listed. An announced star that
    the season-end check did not confirm as clear or probable has no label (sec. 4.1), nor has one
    that was never reviewed.
    """
    appearances = history.appearances
    passed = [appearance for appearance in appearances if appearance.passed]
    alert = next((appearance for appearance in passed if appearance.alerted), None)
    if alert is not None:
        return _labelled(history, Label.YES, alert) if history.event_class in CONFIRMED else None
    if passed:
        return _labelled(history, Label.MAYBE, passed[-1])
    if any(appearance.new for appearance in appearances):
        return _labelled(history, Label.NO, appearances[-1])
    return None


def label_season(histories: Iterable[StarHistory]) -> tuple[LabelledStar, ...]:
    """Return the labelled stars of a season by star id, exclusions applied (sec. 4.2, 4.3).

    Maybes and Nos that are events of the season's table themselves or lie within 20 arcsec of one are
    out, and so are Nos that close to any star announced, confirmed or not. Of several entries of one
    star (equal ``source``) the one with the best label stays, then the lowest id.
    """
    ordered = sorted(histories, key=lambda history: history.star_id)
    labelled = [star for history in ordered if (star := label_star(history)) is not None]
    near_event = is_near(labelled, [history for history in ordered if history.is_listed])
    near_alert = is_near(labelled, [history for history in ordered if history.is_alerted])
    out = {Label.YES: near_event & False, Label.MAYBE: near_event, Label.NO: near_event | near_alert}
    return _one_per_source([star for i, star in enumerate(labelled) if not out[star.label][i]])


def is_near(
    stars: Sequence[Positioned], others: Sequence[Positioned], arcsec: float = EXCLUSION_ARCSEC
) -> BoolArray:
    """Tell which of ``stars`` have one of ``others`` within ``arcsec`` (great circle), bool [n]."""
    if not stars or not others:
        return np.zeros(len(stars), dtype=bool)
    chord = 2.0 * np.sin(np.radians(arcsec / 3600.0) / 2.0)
    distance, _ = cKDTree(positions(others)).query(positions(stars))
    return np.asarray(distance <= chord)


def _labelled(history: StarHistory, label: Label, at: Appearance) -> LabelledStar:
    first = history.appearances[0]
    return LabelledStar(
        star_id=history.star_id,
        label=label,
        ra=history.ra,
        dec=history.dec,
        source=history.source,
        run_id=at.run_id,
        t_cut=at.t_cut,
        first_run_id=first.run_id,
        first_t_cut=first.t_cut,
    )


def _one_per_source(stars: Sequence[LabelledStar]) -> tuple[LabelledStar, ...]:
    rank = {label: number for number, label in enumerate(Label)}
    best: dict[int, LabelledStar] = {}
    for star in sorted(stars, key=lambda star: (rank[star.label], star.star_id)):
        best.setdefault(star.source, star)
    return tuple(sorted(best.values(), key=lambda star: star.star_id))
