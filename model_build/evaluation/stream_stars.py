"""The stars of a natural stream: what each is, and its candidates in order of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_build.evaluation.scored import Scored
from model_build.metrics import NO
from model_build.season.review import EVENT
from model_build.season_report.record import SeasonRecord
from stream_worker.bundle import CLASSES
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray

GHOST = "ghost"


@dataclass(frozen=True, slots=True, eq=False)
class StreamStars:
    """One entry per star of a stream; candidates of the stream are numbered as in its `Scored`.

    Parameters
    ----------
    star : int [n candidates]
        Number of each candidate's star.
    cluster : int [n stars]
    kind : str [n stars]
        Hidden truth.
    is_event
        Whether it is an event itself; ghosts of events are not.
    is_confirmed
        Whether it is an event labelled Yes: announced by the survey and confirmed at the season's end.
    is_ghost
        Whether it only shines with a neighbouring event's light.
    t_0 : float64 [n stars]
        HJD - 2450000; NaN of what is no event.
    first, last : int [n stars]
        Candidate at its first listing, and the last one up to its label's date (of Yes that of its alert);
        -1 where that lies before the stream's first run. A star without label has its last listing.
    """

    star: IntArray
    cluster: IntArray
    kind: np.ndarray
    is_event: BoolArray
    is_confirmed: BoolArray
    is_ghost: BoolArray
    t_0: Float64Array
    first: IntArray
    last: IntArray

    def best(self, p: Float64Array) -> Float64Array:
        """Largest score of each star, of scores [n candidates]."""
        best = np.full(self.cluster.size, -np.inf)
        np.maximum.at(best, self.star, p)
        return best


def stars_of(scored: Scored) -> StreamStars:
    """Group the candidates of a stream by star."""
    rows = scored.rows
    names, star = np.unique([row.star_id for row in rows], return_inverse=True)
    first, last = np.full(names.size, -1), np.full(names.size, -1)
    some = np.zeros(names.size, np.intp)
    for place in np.argsort([row.t_cut for row in rows], kind="stable").tolist():
        row, number = rows[place], star[place]
        some[number] = place
        if row.run_id == row.first_run_id:
            first[number] = place
        if row.run_id <= row.last_run_id:
            last[number] = place
    one = [rows[place] for place in some.tolist()]
    is_event = np.array([row.kind == EVENT for row in one])
    return StreamStars(
        star=star,
        cluster=np.array([row.cluster for row in one], np.intp),
        kind=np.array([row.kind for row in one]),
        is_event=is_event,
        is_confirmed=is_event & np.array([row.label == CLASSES[0] for row in one]),
        is_ghost=np.array([row.kind == GHOST for row in one]),
        t_0=np.array([np.nan if row.t_0 is None or row.kind != EVENT else row.t_0 for row in one]),
        first=first,
        last=last,
    )


def is_no(scored: Scored) -> BoolArray:
    """Tell which candidates are Nos: of stars labelled No by the season's reviewers, bool [n]."""
    return np.asarray(scored.labels == NO)


def nights_of(scored: Scored, record: SeasonRecord) -> int:
    """Runs of the season from the stream's first to its last, also those without candidates."""
    ids = [row.run_id for row in scored.rows]
    return sum(min(ids) <= run.run_id <= max(ids) for run in record.runs)
