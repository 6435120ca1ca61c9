"""Which candidates of an archive take part, and what they may see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stream_worker.candidate import Candidate, Tense
from stream_worker.preprocessing import COLUMNS, LightCurve
from stream_worker.score_record import DAY_MS, UNIX_EPOCH_HJD


@dataclass(frozen=True, slots=True)
class Selection:
    """Limits in HJD - 2450000, inclusive; None is no limit.

    Parameters
    ----------
    first, last
        Of t_cut: which nights are replayed.
    as_of
        Nothing that came later exists: neither candidates that were produced after, nor observations.
    """

    first: float | None = None
    last: float | None = None
    as_of: float | None = None

    def takes(self, candidate: Candidate) -> bool:
        """Whether a candidate takes part."""
        t_cut = candidate.alertfinder.t_cut
        if self.first is not None and t_cut < self.first:
            return False
        if self.last is not None and t_cut > self.last:
            return False
        return self.as_of is None or (t_cut <= self.as_of and self._produced(candidate) <= self.as_of)

    def as_json(self) -> dict[str, float | None]:
        """JSON-ready limits."""
        return {"from": self.first, "to": self.last, "as_of": self.as_of}

    @staticmethod
    def _produced(candidate: Candidate) -> float:
        return candidate.produced_at / DAY_MS + UNIX_EPOCH_HJD


def as_replayed(candidate: Candidate, replay_id: str) -> Candidate:
    """The candidate as its replay carries it: archival, under the replay's id, nothing after its t_cut."""
    t_cut = candidate.alertfinder.t_cut
    curves = candidate.light_curves
    if any((curve.hjd > t_cut).any() for curve in curves):
        curves = tuple(_until(curve, t_cut) for curve in curves)
    return replace(candidate, tense=Tense.ARCHIVAL, replay_id=replay_id, light_curves=curves)


def _until(curve: LightCurve, t_cut: float) -> LightCurve:
    seen = ~(curve.hjd > t_cut)  # a date that is no number is preprocessing's business

    def cut(column: Any) -> Any:
        return None if column is None else np.ascontiguousarray(column[seen])

    columns = {name: cut(getattr(curve, name)) for name in COLUMNS}
    if not seen.any():  # an auxiliary column may not be empty beside no rows
        columns.update(dict.fromkeys(COLUMNS[3:]))
    return LightCurve(site=curve.site, dataset=curve.dataset, **columns)
