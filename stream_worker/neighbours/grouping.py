"""The grouping of one partition: candidates in, outcomes and alerts out, every change revocable. Pure.

Feed it with `Grouping.take`, in any order, and `Grouping.release`; then `Grouping.commit` or `rollback`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from stream_worker.neighbours.cell import Cell
from stream_worker.neighbours.effects import Alert, Arrival, Effect, Outcome, immediate
from stream_worker.neighbours.expiry import still_needed
from stream_worker.neighbours.geometry import SphereGrid
from stream_worker.neighbours.ids import group_id
from stream_worker.neighbours.lifecycle import (
    CROWDED,
    NOT_LIVE,
    OPERATOR,
    SUPERSEDED,
    AlertType,
    after_alert,
    step_of,
)
from stream_worker.neighbours.rules import GroupingRules
from stream_worker.neighbours.star import Entry, Held, Space, Star, StarKey, entry_of
from stream_worker.neighbours.verdict import Verdict, judge
from stream_worker.outcome import OutcomeKind

DAY_MS: Final = 86_400_000
UNIX_EPOCH_HJD: Final = 2_440_587.5 - 2_450_000
_SWEEP_DAYS: Final = 1.0
_FUTURE_DAYS: Final = 1.0


class Grouping:
    """Stars of one partition, by cell, with what has been published of them and what waits.

    Parameters
    ----------
    rules
        In force at the start; ``rules`` may be replaced between batches, which judges nothing anew.
    """

    def __init__(self, rules: GroupingRules) -> None:
        self._rules = rules
        self._grid = SphereGrid(rules.radius_arcsec)
        self._cells: dict[tuple[Space, int], Cell] = {}
        self._due: list[tuple[int, int, StarKey]] = []
        self._event_time: dict[Space, float] = {}
        self._swept: dict[Space, float] = {}
        self._before: dict[StarKey, Star | None] = {}
        self._event_time_before: dict[Space, float] = {}

    @property
    def rules(self) -> GroupingRules:
        """The rules in force."""
        return self._rules

    @rules.setter
    def rules(self, rules: GroupingRules) -> None:
        self._rules = rules
        if rules.radius_arcsec > self._grid.radius_arcsec:
            self._widen(rules.radius_arcsec)

    def take(self, arrival: Arrival, now_ms: int) -> list[Effect]:
        """Add a record; a participant of its own cell is held, every other one has its outcome at once."""
        sighting, rules = arrival.sighting, self._rules
        if sighting.p_review < rules.group_at:
            return [immediate(arrival, OutcomeKind.BELOW_THRESHOLD, rules.group_threshold)]
        newest = self._event_time.get(arrival.space)
        if newest is not None and sighting.t_cut < newest - rules.lateness_days:
            late = f"{newest - sighting.t_cut:.2f} days behind {newest:.5f}"
            return [immediate(arrival, OutcomeKind.TOO_LATE, late)]
        key = StarKey(arrival.space, arrival.cell, sighting.star_id)
        star = self.star(key) or Star(sighting.star_id, arrival.home, sighting.ra, sighting.dec)
        if star.has(sighting.candidate_id):
            return [immediate(arrival, OutcomeKind.DUPLICATE)]
        star = star.with_sighting(sighting, home=arrival.home)
        if arrival.home:
            star = self._hold(key, star, arrival, now_ms)
        self._put(key, star)
        effects = self._reconsider_neighbours(key, star, arrival.trace_id)
        self._advance(arrival.space, sighting.t_cut, now_ms)
        return effects if arrival.home else [immediate(arrival, OutcomeKind.HALO), *effects]

    def release(self, now_ms: int | None = None) -> list[Effect]:
        """Outcomes and alerts of all whose hold is over; None ends every hold."""
        effects: list[Effect] = []
        while self._due and (now_ms is None or self._due[0][0] <= now_ms):
            _, offset, key = heapq.heappop(self._due)
            star = self.star(key)
            held = next((h for h in star.held if h.offset == offset), None) if star else None
            if star is not None and held is not None:
                effects += self._settle(key, star, held)
        return effects

    def retract(
        self,
        key: StarKey,
        reason: str,
        offset: int,
        *,
        trace_id: str | None = None,
        timestamp: int | None = None,
    ) -> list[Effect]:
        """Take back a group by an operator's word, which stands until the star is forgotten.

        Parameters
        ----------
        offset, trace_id, timestamp
            Of the order's record; its timestamp in ms.
        """
        outcome = Outcome(
            offset,
            OutcomeKind.PUBLISHED,
            None,
            key.space,
            reason=AlertType.RETRACTION.value,
            group_id=group_id(key.space, key.star_id),
            timestamp=timestamp,
        )
        star = self.star(key)
        if star is None or star.published is None or not star.published.live:
            return [replace(outcome, kind=OutcomeKind.UNCHANGED, reason=NOT_LIVE)]
        text = f"{OPERATOR}: {reason}"
        alert = self._send(key, star, AlertType.RETRACTION, text, self._judge(key, star), trace_id)
        sent = self._cell(key).get(key.star_id)
        if sent is not None and sent.published is not None:
            self._put(key, replace(sent, published=replace(sent.published, by_operator=True)))
        return [alert, outcome]

    def star(self, key: StarKey) -> Star | None:
        """What is known of a star."""
        cell = self._cells.get((key.space, key.cell))
        return cell.get(key.star_id) if cell is not None else None

    def stars(self) -> Iterator[tuple[StarKey, Star]]:
        """Every star with its key, those of neighbouring cells too."""
        for (space, cell_id), cell in self._cells.items():
            for star in cell:
                yield StarKey(space, cell_id, star.star_id), star

    def verdicts(self) -> Iterator[tuple[StarKey, Verdict]]:
        """The present verdict of every star in its own cell."""
        return ((key, self._judge(key, star)) for key, star in self.stars() if star.home)

    @property
    def next_release_ms(self) -> int | None:
        """When the next hold is over; None if nothing is held."""
        return self._due[0][0] if self._due else None

    def changes(self) -> Iterator[tuple[StarKey, Star | None]]:
        """Stars changed since the last commit, as they are now; None for a forgotten one."""
        return ((key, self.star(key)) for key in self._before)

    def commit(self) -> None:
        """Let the changes stand."""
        self._before.clear()
        self._event_time_before.clear()

    def rollback(self) -> None:
        """Take the changes since the last commit back."""
        for key, star in self._before.items():
            self._set(key, star)
            if star is not None:
                self._schedule(key, star)
        for space, newest in self._event_time_before.items():
            self._event_time[space] = newest
        self.commit()

    def learn(self, arrival: Arrival, now_ms: int) -> None:
        """Add a record that was decided before: it is neither held nor does it tell anybody anything."""
        sighting = arrival.sighting
        key = StarKey(arrival.space, arrival.cell, sighting.star_id)
        star = self.star(key) or Star(sighting.star_id, arrival.home, sighting.ra, sighting.dec)
        if sighting.p_review >= self._rules.group_at and not star.has(sighting.candidate_id):
            self._put(key, star.with_sighting(sighting, home=arrival.home))
            self._advance(arrival.space, sighting.t_cut, now_ms)

    def load(self, key: StarKey, star: Star, now_ms: int) -> None:
        """Put a star as it was stored."""
        self._set(key, star)
        self._schedule(key, star)
        if star.history:
            self._advance(key.space, star.latest.t_cut, now_ms, sweep=False)
        self.commit()

    def _hold(self, key: StarKey, star: Star, arrival: Arrival, now_ms: int) -> Star:
        until = now_ms + self._rules.hold_ms
        held = Held(
            offset=arrival.offset,
            until_ms=until,
            entry=entry_of(arrival.sighting),
            trace_id=arrival.trace_id,
            redriven_from=arrival.redriven_from,
            body=arrival.body,
            timestamp=arrival.timestamp,
        )
        heapq.heappush(self._due, (until, arrival.offset, key))
        return replace(star, held=(*star.held, held))

    def _settle(self, key: StarKey, star: Star, held: Held) -> list[Effect]:
        """Decide a candidate whose hold is over."""
        star = replace(star, held=tuple(h for h in star.held if h.offset != held.offset))
        self._put(key, star)
        verdict = self._judge(key, star)
        takes_over = verdict.crowded and verdict.primary and self._takes_over(key, verdict)
        step = step_of(star, held.entry, verdict, self._rules, takes_over=takes_over)
        own = verdict.strongest or star.star_id
        outcome = Outcome(
            offset=held.offset,
            kind=step.outcome,
            candidate_id=held.entry.candidate_id,
            space=key.space,
            trace_id=held.trace_id,
            redriven_from=held.redriven_from,
            reason=step.outcome_reason,
            group_id=group_id(key.space, own),
            timestamp=held.timestamp,
        )
        if step.alert is None:
            return [outcome]
        alert = self._send(key, star, step.alert, step.alert_reason, verdict, held.trace_id, held)
        return [alert, outcome]

    def _takes_over(self, key: StarKey, verdict: Verdict) -> bool:
        """Whether a member was published at the pure threshold: a crowd must not silence its group.

        Of members in another cell nothing is known here.
        """
        published = (star.published for m in verdict.members if (star := self._cell(key).get(m.star_id)))
        pure_at = self._rules.pure_at
        return any(one is not None and not one.by_operator and one.p_review >= pure_at for one in published)

    def _reconsider_neighbours(self, key: StarKey, star: Star, trace_id: str | None) -> list[Effect]:
        """Retractions and updates of live neighbours that a new candidate outshines or crowds."""
        effects: list[Effect] = []
        for other, _ in self._cell(key).near(star, self._rules.radius_arcsec):
            # a star that has moved to another cell since may be live here alone
            if other.published is None or not other.published.live:
                continue
            other_key = StarKey(key.space, key.cell, other.star_id)
            verdict = self._judge(other_key, other)
            if not verdict.primary:
                alert = self._send(other_key, other, AlertType.RETRACTION, SUPERSEDED, verdict, trace_id)
                effects.append(alert)
            elif other.home and verdict.crowded and not other.published.crowded:
                effects.append(self._send(other_key, other, AlertType.UPDATE, CROWDED, verdict, trace_id))
        return effects

    def _send(
        self,
        key: StarKey,
        star: Star,
        alert_type: AlertType,
        reason: str,
        verdict: Verdict,
        trace_id: str | None,
        held: Held | None = None,
    ) -> Alert:
        """Note an alert as sent; without a held candidate it speaks of the one last published."""
        published = star.published
        body = held.body if held is not None else published.body if published is not None else b""
        if alert_type is AlertType.RETRACTION and published is not None:
            body = published.body
        entry = held.entry if held is not None else _last_told(star)
        self._put(key, replace(star, published=after_alert(published, alert_type, entry, verdict, body)))
        by = verdict.strongest if alert_type is AlertType.RETRACTION and reason == SUPERSEDED else None
        return Alert(
            type=alert_type,
            reason=reason,
            space=key.space,
            star_id=star.star_id,
            group_id=group_id(key.space, star.star_id),
            revision=0 if published is None else published.revision,
            superseded_by=None if by is None else group_id(key.space, by),
            verdict=verdict,
            body=body,
            trace_id=trace_id,
        )

    def _judge(self, key: StarKey, star: Star) -> Verdict:
        return judge(star, self._cell(key).near(star, self._rules.radius_arcsec), self._rules)

    def _cell(self, key: StarKey) -> Cell:
        place = (key.space, key.cell)
        cell = self._cells.get(place)
        if cell is None:
            cell = self._cells[place] = Cell(self._grid)
        return cell

    def _put(self, key: StarKey, star: Star | None) -> None:
        """Change a star, remembering what it was at the last commit."""
        if key not in self._before:
            self._before[key] = self.star(key)
        self._set(key, star)

    def _set(self, key: StarKey, star: Star | None) -> None:
        cell = self._cell(key)
        if star is not None:
            cell.put(star)
            return
        cell.remove(key.star_id)
        if not len(cell):
            del self._cells[key.space, key.cell]

    def _schedule(self, key: StarKey, star: Star) -> None:
        for held in star.held:
            heapq.heappush(self._due, (held.until_ms, held.offset, key))

    def _advance(self, space: Space, t_cut: float, now_ms: int, *, sweep: bool = True) -> None:
        """Move the event time of a space that ages; a t_cut in the future of the wall clock moves none."""
        if not space.ages:
            return
        newest = self._event_time.get(space, -float("inf"))
        if not newest < t_cut <= now_ms / DAY_MS + UNIX_EPOCH_HJD + _FUTURE_DAYS:
            return
        self._event_time_before.setdefault(space, newest)
        self._event_time[space] = t_cut
        if sweep and t_cut - self._swept.get(space, -float("inf")) >= _SWEEP_DAYS:
            self._swept[space] = t_cut
            self._sweep(space, t_cut)

    def _sweep(self, space: Space, newest: float) -> None:
        """Drop what nobody who may still come can need."""
        for key, star in [(key, star) for key, star in self.stars() if key.space == space]:
            needed = still_needed(star, newest, self._rules)
            if needed is not star:
                self._put(key, needed)

    def _widen(self, radius_arcsec: float) -> None:
        """Sort the stars into a coarser grid."""
        known = list(self.stars())
        self._grid = SphereGrid(radius_arcsec)
        self._cells = {}
        for key, star in known:
            self._set(key, star)


def _last_told(star: Star) -> Entry:
    """The star's figures as last published, in the form of a candidate."""
    published, latest = star.published, star.latest
    if published is None:
        return latest
    return latest._replace(
        p_review=published.p_review, p_event=published.p_event, delta_chi2=published.delta_chi2
    )
