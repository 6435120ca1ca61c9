"""Rows of the truth made by hand."""

from __future__ import annotations

from typing import Any

from model_build.season.truth import TruthRow


def truth_row(number: int, kind: str = "event", label: str | None = "yes", **other: Any) -> TruthRow:
    values: dict[str, Any] = {
        "candidate_id": f"c{number:04d}", "star_id": f"s{number:04d}",
        "run_id": "2021-05-10", "t_cut": 9344.75,
        "label": label, "selected": True, "first_run_id": "2021-05-03", "last_run_id": "2021-05-10",
        "new": True, "passed": True, "alerted": False, "review_score": 0.3, "rise_snr": 20.0,
        "event_class": None, "kind": kind, "parent": None, "source": number, "cluster": number,
        "neighbours": 0, "field": "BLG01", "chip": "M", "x": 100.0, "y": 200.0, "ra": 268.0, "dec": -31.0,
        "i_base": 18.0,
    }  # fmt: skip
    return TruthRow(**values | other)
