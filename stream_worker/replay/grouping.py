"""Groups the scores of a replay as the grouping stage does, in the order of the archive."""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from stream_worker.neighbours import (
    Alert,
    AlertType,
    Effect,
    Grouping,
    GroupingRules,
    Outcome,
    Verdict,
    arrival_of,
)
from stream_worker.outcome import OutcomeKind
from stream_worker.replay.scoring import Row

_ROW: Final = struct.Struct("<q")
_END_OF_TIME_MS: Final = 2**53


@dataclass(frozen=True, slots=True)
class GroupedRow:
    """What grouping makes of one scored row.

    Parameters
    ----------
    outcome, reason, group_id
        Of the record, as the stage writes them.
    alerts
        Alerts that speak of it, in the order in which they were sent.
    final
        The star's place at the end of the replay, on the row of its latest candidate.
    """

    outcome: str
    reason: str | None
    group_id: str | None
    alerts: list[dict[str, Any]]
    final: dict[str, Any] | None


@dataclass(slots=True)
class ReplayGrouping:
    """Grouping of a whole replay: `take` every row in order, then `close`, then ask for each row.

    The clock is that of the archive: what a candidate's list was produced at. So candidates of one run are
    held together, as they are when a run arrives live.
    """

    rules: GroupingRules
    _grouping: Grouping = field(init=False)
    _rows: int = 0
    _records: int = 0
    _now_ms: int = 0
    _sent: int = 0
    _row_of_record: dict[int, int] = field(default_factory=dict)
    _row_of_candidate: dict[str, int] = field(default_factory=dict)
    _outcomes: dict[int, Outcome] = field(default_factory=dict)
    _alerts: defaultdict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    _live: dict[str, bool] = field(default_factory=dict)
    _final: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._grouping = Grouping(self.rules)

    def take(self, rows: Iterable[Row]) -> None:
        """Group further rows; those that were not scored count too."""
        for row in rows:
            number, self._rows = self._rows, self._rows + 1
            if "score" not in row or row["score"]["p_review"] < self.rules.group_at:
                continue
            self._now_ms = max(self._now_ms, row["produced_at"])
            self._note(self._grouping.release(self._now_ms))
            self._grouping.commit()
            for copy in _copies(row):
                self._take_copy(number, copy)

    def close(self) -> None:
        """End every hold and settle what each star is."""
        self._note(self._grouping.release())
        self._grouping.commit()
        for key, verdict in self._grouping.verdicts():
            star = self._grouping.star(key)
            if star is not None:
                number = self._row_of_candidate[star.latest.candidate_id]
                self._final[number] = _final(verdict, live=self._live.get(star.star_id, False))

    def of(self, number: int, row: Row) -> GroupedRow | None:
        """What became of a row, by its number; None if it was not scored."""
        if "score" not in row:
            return None
        outcome = self._outcomes.get(number)
        if outcome is None:  # never took part, so nothing was kept of it
            return GroupedRow(OutcomeKind.BELOW_THRESHOLD.value, self.rules.group_threshold, None, [], None)
        return GroupedRow(
            outcome.kind.value,
            outcome.reason,
            outcome.group_id,
            self._alerts.get(number, []),
            self._final.get(number),
        )

    def _take_copy(self, number: int, score: dict[str, Any]) -> None:
        record, self._records = self._records, self._records + 1
        arrival = arrival_of(score, record, body=_ROW.pack(number))
        if arrival.home:
            self._row_of_record[record] = number
        effects = self._grouping.take(arrival, self._now_ms)
        self._note(effects)
        self._grouping.commit()
        repeat = any(isinstance(one, Outcome) and one.kind is OutcomeKind.DUPLICATE for one in effects)
        if arrival.home and not repeat:
            self._row_of_candidate[arrival.sighting.candidate_id] = number

    def _note(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Alert):
                self._note_alert(effect)
            elif (number := self._row_of_record.pop(effect.offset, None)) is not None:
                self._outcomes[number] = effect

    def _note_alert(self, alert: Alert) -> None:
        (number,) = _ROW.unpack(alert.body)
        self._live[alert.star_id] = alert.type is not AlertType.RETRACTION
        self._alerts[number].append(
            {
                "sequence": self._sent,
                "at": self._now_ms,
                "type": alert.type.value,
                "reason": alert.reason,
                "revision": alert.revision,
                "superseded_by": alert.superseded_by,
                "members": [member.star_id for member in alert.verdict.members],
                "crowded": alert.verdict.crowded,
            }
        )
        self._sent += 1


def final_verdicts(
    copies: Iterable[Mapping[str, Any]], rules: GroupingRules
) -> Iterator[tuple[str, Verdict]]:
    """Verdict of every star over all these Score records, halo copies among them, in whatever order.

    Of the live stream, too, none is too late or forgotten here.
    """
    grouping = Grouping(replace(rules, lateness_days=math.inf))
    for number, score in enumerate(copies):
        grouping.take(arrival_of(score, number), _END_OF_TIME_MS)
        grouping.commit()
    return ((key.star_id, verdict) for key, verdict in grouping.verdicts())


def _copies(row: Row) -> Iterator[dict[str, Any]]:
    """The score as the stream would carry it: for its own cell, and each that the radius touches."""
    home = row["cells"][0]
    for cell in row["cells"]:
        yield {**row["score"], "cell": cell, "home_cell": home, "halo": cell != home}


def _final(verdict: Verdict, *, live: bool) -> dict[str, Any]:
    return {
        "primary": verdict.primary,
        "strongest": verdict.strongest,
        "members": sorted(member.star_id for member in verdict.members),
        "crowded": verdict.crowded,
        "live": live,
    }
