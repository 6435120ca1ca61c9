"""How many stars each step of the survey lets through, beside what the survey reports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from model_build.season_report.look import legend, name, panels
from model_build.season_report.record import SeasonRecord
from stream_worker.report_page import Section, figure, heading, table

STEPS: Final = ("flagged", "kept", "new", "stage_1", "alerted")
_PAPER: Final = {"stars": 5e8, "flagged": 3e5, "kept": 3e4, "new": 6e3, "stage_1": 200.0, "alerted": 20.0}
"""A day's numbers of Viaña et al. 2025, sec. 3 and 4; ``new`` lies between the quarter of its 20,000 and
of its 30,000 candidates."""
_REJECTED: Final = {
    "crowded": "too many flagged together",
    "chip_cap": "over the cap of a chip",
    "field_cap": "over the cap of a field",
    "total_cap": "over the cap of a run",
}
_TITLES: Final = {
    "stars": "stars",
    "flagged": "flagged by AlertFinder",
    "kept": "kept by automated vetting",
    "new": "new to the reviewers",
    "stage_1": "passed the light-curve review",
    "alerted": "alerted",
}
_COLOURS: Final = ("#355c8a", "#3c8d93", "#6fa35a", "#d98500", "#b8352f")


def funnel_numbers(record: SeasonRecord) -> dict[str, Any]:
    """Daily means, JSON-ready: at the survey's scale, as simulated, and rejected by reason."""
    n = len(record.runs)
    simulated = {
        origin: {step: sum(getattr(getattr(run, origin), step) for run in record.runs) / n for step in STEPS}
        for origin in ("event", "other")
    }
    return {
        "stars_simulated": record.stars,
        "runs": n,
        "per_day": {step: record.per_day(step) for step in STEPS},
        "simulated_per_day": simulated,
        "rejected_per_day": {reason: record.per_day(reason) for reason in _REJECTED},
    }


def funnel_section(record: SeasonRecord) -> Section:
    """Tables of the funnel and a figure of it over the season."""
    numbers = funnel_numbers(record)
    lead = (
        f"Daily means of {numbers['runs']} runs. Events and their ghosts were simulated at "
        f"{record.scale_events:.4g} of the survey's number, everything else at {record.scale_false:.4g}; "
        "the survey's scale is the sum of both, each divided by its share. Stars that nothing happens to "
        f"are hardly simulated, so that the {record.stars:,} stars have no counterpart in the survey's 5e8."
    )
    rejected = numbers["rejected_per_day"]
    reasons = [
        [title, rejected[reason], _ratio(rejected[reason], numbers["per_day"]["flagged"])]
        for reason, title in _REJECTED.items()
    ]
    body = (
        _steps_table(numbers)
        + figure(_over_the_season(record), "Stars at each step of the funnel in every run of the season")
        + heading("Rejected by automated vetting")
        + table(["reason", "a day, survey's scale", "% of flagged"], reasons)
    )
    return Section("The funnel", lead, body)


def _steps_table(numbers: Mapping[str, Any]) -> str:
    here, simulated = numbers["per_day"], numbers["simulated_per_day"]
    rows: list[list[object]] = [[_TITLES["stars"], None, None, None, None, "5e8", None]]
    for before, step in pairwise(_PAPER):
        rows.append(
            [
                _TITLES[step],
                simulated["event"][step],
                simulated["other"][step],
                here[step],
                _ratio(here[step], here[before]) if before in here else None,
                f"{_PAPER[step]:,.0f}",
                _ratio(_PAPER[step], _PAPER[before]),
            ]
        )
    columns = [
        "step",
        "events simulated",
        "others simulated",
        "survey's scale",
        "% of step before",
        "paper",
        "% of step before, paper",
    ]
    return table(columns, rows)


def _over_the_season(record: SeasonRecord) -> Figure:
    fig, (ax,) = panels(1, 1, 4.0)
    days = [np.datetime64(date.fromisoformat(run.run_id)) for run in record.runs]
    for step, colour in zip(STEPS, _COLOURS, strict=True):
        values = np.array([record.at_survey_scale(run, step) for run in record.runs])
        values[values == 0] = np.nan
        ax.plot(days, values, ".-", color=colour, ms=3, lw=0.8, label=_TITLES[step])
        ax.axhline(_PAPER[step], color=colour, lw=0.8, ls=":")
    ax.set_yscale("log")
    name(ax, y="stars a day, survey's scale", title="dotted: Viaña et al. 2025")
    legend(fig, ax, 3)
    return fig


def _ratio(part: float, whole: float) -> float | None:
    return 100.0 * part / whole if whole else None
