"""Labels found and written, what the labelled stars really are, and how often reviewers erred."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from model_build.season.truth import TruthRow
from model_build.season_report.look import LABELS
from model_build.season_report.record import Reviews, SeasonRecord
from stream_worker.report_page import Section, heading, paragraph, table

_PAPER: Final = {"yes": (4183, 2158, 1825), "maybe": (None, 1361, 1190), "no": (2098, 2065, 2038)}
"""Candidates, unique or filtered stars, and those used (Viaña et al. 2025, sec. 4.1 to 4.3)."""
_FALSE_PASS_TARGET: Final = 0.005
_MISS_TARGET: Final = 0.10


def review_numbers(reviews: Reviews) -> dict[str, Any]:
    """Error rates, JSON-ready: None where there was nothing to review."""
    return {
        "false_pass": _known(reviews.false_pass),
        "miss": _known(reviews.miss),
        "miss_by_snr": {str(snr): _known(rate) for snr, rate in reviews.miss_by_snr.items()},
        "by_kind": [asdict(kind) for kind in reviews.by_kind],
    }


def label_section(record: SeasonRecord, rows: Iterable[TruthRow]) -> Section:
    """Counts of labels against the paper's, and hidden kinds of the labelled stars."""
    lead = (
        "Stars labelled in the whole season, and those of them that this archive holds. At the survey's "
        "scale Yes is divided by the share of events, Maybe and No by that of everything else."
    )
    found, written = asdict(record.labels.found), asdict(record.labels.written)
    scale = {"yes": record.scale_events, "maybe": record.scale_false, "no": record.scale_false}
    counts = [
        [
            label.capitalize(),
            found[label],
            found[label] / scale[label] if scale[label] else None,
            written[label],
            *_PAPER[label],
        ]
        for label in LABELS
    ]
    total = ["all", sum(found.values()), None, sum(written.values()), None, None, 5053]
    columns = [
        "class",
        "found",
        "survey's scale",
        "written",
        "paper: candidates",
        "paper: unique, filtered",
        "paper: used",
    ]
    body = (
        table(columns, [*counts, total])
        + heading("What the stars of each class are")
        + paragraph("Stars of this archive by hidden kind, whichever runs list them.")
        + _kinds_table(rows)
    )
    return Section("Labels", lead, body)


def review_section(reviews: Reviews) -> Section:
    """Error rates of the light-curve review against their targets."""
    lead = (
        "Light-curve reviews of the season, repeated ones included; of an event only its first, and only if "
        "that came before the peak. A false pass is that of a candidate that is neither an event nor an "
        "artefact that images would give away, counted among all reviews of false candidates; a miss is an "
        "event turned down."
    )
    errors = [
        ["false pass", _percent(reviews.false_pass), f"at most {_FALSE_PASS_TARGET:.1%}"],
        ["miss", _percent(reviews.miss), f"about {_MISS_TARGET:.0%}"],
    ]
    edges = [*reviews.miss_by_snr, math.inf]
    by_snr = [
        [f"{low:g} to {high:g}" if high < math.inf else f"{low:g} and more", _percent(rate)]
        for (low, rate), high in zip(reviews.miss_by_snr.items(), edges[1:], strict=True)
    ]
    by_kind = [
        [one.kind, one.reviewed, one.passed, _percent(one.passed / one.reviewed if one.reviewed else None)]
        for one in sorted(reviews.by_kind, key=lambda one: (-one.reviewed, one.kind))
    ]
    body = (
        table(["error", "%", "target"], errors)
        + heading("Events missed, by signal-to-noise ratio of the rise")
        + table(["signal-to-noise ratio", "missed, %"], by_snr)
        + heading("By hidden kind")
        + table(["kind", "reviewed", "passed", "passed, %"], by_kind)
    )
    return Section("The light-curve review", lead, body)


def _kinds_table(rows: Iterable[TruthRow]) -> str:
    stars = {row.star_id: (row.kind, row.label) for row in rows}
    count = Counter(stars.values())
    classes: list[str | None] = [*LABELS, *([None] if any(label is None for _, label in count) else [])]
    totals = Counter(kind for kind, _ in stars.values())
    body = [
        [kind, *(count[kind, label] for label in classes), total]
        for kind, total in sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    ]
    sums = [sum(n for (_, its), n in count.items() if its == label) for label in classes]
    names = [label.capitalize() if label else "no label" for label in classes]
    return table(["kind", *names, "all"], [*body, ["all", *sums, len(stars)]])


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share
