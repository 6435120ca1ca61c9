"""A comparison as tables for people and as JSON for scripts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from stream_worker.replay.diff.compare import Diff, Pair, crossings
from stream_worker.replay.diff.view import Seen, StarEnd

SHOWN: Final = 20


def counts(diff: Diff) -> dict[str, int]:
    """How many of each kind of difference."""
    return {
        "candidates in both": len(diff.pairs),
        "only in a": len(diff.only_a),
        "only in b": len(diff.only_b),
        "refused otherwise": len(diff.refused),
        "outcomes changed": len(diff.outcomes),
        "scores changed": len(diff.scores),
        "decisions changed": len(diff.decisions),
        "final groups changed": len(diff.groups),
        "live in one only": len(diff.live),
        "lifecycles changed": len(diff.lifecycles),
    }


def as_json(diff: Diff) -> dict[str, Any]:
    """Every difference in plain values."""
    return {
        "empty": diff.empty,
        "a": diff.a.name,
        "b": diff.b.name,
        "tolerance": diff.tolerance,
        "counts": {name.replace(" ", "_"): number for name, number in counts(diff).items()},
        "largest_change": diff.pairs[0].change if diff.pairs else 0.0,
        "pins": {name: list(pin) for name, pin in diff.pins.items()},
        "only_a": [_seen(one) for one in diff.only_a],
        "only_b": [_seen(one) for one in diff.only_b],
        "refused": {reason: list(numbers) for reason, numbers in diff.refused.items()},
        "outcomes": [_pair(pair) for pair in diff.outcomes],
        "scores": [_pair(pair) for pair in diff.scores],
        "decisions": [
            {**_pair(pair), "crossed": [name for name, _ in crossings(pair, thresholds(diff))]}
            for pair in diff.decisions
        ],
        "groups": {star: [_end(end) for end in ends] for star, ends in diff.groups.items()},
        "live": {star: list(live) for star, live in diff.live.items()},
        "lifecycles": {
            star: [[list(sent) for sent in alerts] for alerts in both]
            for star, both in diff.lifecycles.items()
        },
    }


def thresholds(diff: Diff) -> list[str]:
    """Names of all thresholds, ascending."""
    merged = {**diff.a.thresholds, **diff.b.thresholds}
    return sorted(merged, key=lambda name: merged[name])


def tables(diff: Diff) -> Iterator[Table]:
    """The counts, then what changed, the first rows of each kind."""
    yield _table(f"a: {diff.a.name}   b: {diff.b.name}", ("", "number"), list(counts(diff).items()))
    for title, columns, rows in details(diff):
        if rows:
            more = f" (the first {SHOWN} of {len(rows)})" if len(rows) > SHOWN else ""
            yield _table(f"{title}{more}", columns, rows[:SHOWN])


def details(diff: Diff) -> Iterator[tuple[str, tuple[str, ...], list[tuple[Any, ...]]]]:
    """Title, columns and rows of each kind of difference."""
    yield "what decided the runs", ("", "a", "b"), list(_pin_rows(diff.pins))
    for title, seen in (("candidates only in a", diff.only_a), ("candidates only in b", diff.only_b)):
        yield (
            title,
            ("candidate", "star", "t_cut", "outcome"),
            [(one.candidate_id, one.star_id, _t(one), one.outcome) for one in seen],
        )
    yield "refused", ("reason", "a", "b"), [(reason, *n) for reason, n in diff.refused.items()]
    yield (
        "outcomes",
        ("candidate", "star", "a", "b"),
        [(p.a.candidate_id, p.a.star_id or p.b.star_id, p.a.outcome, p.b.outcome) for p in diff.outcomes],
    )
    yield (
        "scores that changed",
        ("candidate", "star", "t_cut", "p_review a", "p_review b", "p_event a", "p_event b", "change"),
        [
            (p.a.candidate_id, p.a.star_id, _t(p.a), _p(p.a), _p(p.b), p.a.p_event, p.b.p_event, p.change)
            for p in diff.scores
        ],
    )
    names = thresholds(diff)
    yield (
        "threshold crossings",
        ("candidate", "star", "t_cut", "p_review a", "p_review b", "crossed"),
        [
            (p.a.candidate_id, p.a.star_id, p.a.t_cut, _p(p.a), _p(p.b), _crossed(p, names))
            for p in diff.decisions
        ],
    )
    yield (
        "final groups",
        ("star", "a", "b"),
        [(star, *(_end_text(end) for end in ends)) for star, ends in diff.groups.items()],
    )
    yield "live at the end", ("star", "a", "b"), [(star, *live) for star, live in diff.live.items()]
    yield (
        "lifecycles (no failure)",
        ("star", "a", "b"),
        [(star, *(_alerts_text(alerts) for alerts in both)) for star, both in diff.lifecycles.items()],
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(f"{value:.6g}" if isinstance(value, float) else str(value) for value in row))
    return table


def _pin_rows(pins: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each value that differs in a row of its own; lists by how long they are and their hash."""
    for name, (a, b) in pins.items():
        if isinstance(a, dict) and isinstance(b, dict):
            inner = {key: (a.get(key), b.get(key)) for key in sorted({*a, *b}) if a.get(key) != b.get(key)}
            yield from ((f"{name}, {key}", x, y) for key, x, y in _pin_rows(inner))
        else:
            yield name, _pin_text(a), _pin_text(b)


def _pin_text(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    return f"{len(value)}, hash {digest[:12]}"


def _t(seen: Seen) -> str:
    return f"{seen.t_cut:.3f}" if seen.t_cut else ""


def _p(seen: Seen) -> float:
    return seen.probabilities[0] if seen.probabilities else float("nan")


def _crossed(pair: Pair, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {'up' if up else 'down'}" for name, up in crossings(pair, names))


def _seen(one: Seen) -> dict[str, Any]:
    return {"candidate_id": one.candidate_id, "star_id": one.star_id, "outcome": one.outcome}


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "candidate_id": pair.a.candidate_id,
        "star_id": pair.a.star_id or pair.b.star_id,
        "t_cut": pair.a.t_cut or pair.b.t_cut,
        "outcomes": [pair.a.outcome, pair.b.outcome],
        "probabilities": [pair.a.probabilities, pair.b.probabilities],
        "p_event": [pair.a.p_event, pair.b.p_event],
        "change": pair.change,
    }


def _end(end: StarEnd | None) -> dict[str, Any] | None:
    return None if end is None else end._asdict()


def _end_text(end: StarEnd | None) -> str:
    if end is None:
        return "took no part"
    place = "primary" if end.strongest is None else f"grouped away by {end.strongest}"
    return f"{place}, {len(end.members)} members{', crowded' if end.crowded else ''}"


def _alerts_text(alerts: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{kind} ({reason})" for kind, reason in alerts) or "none"
