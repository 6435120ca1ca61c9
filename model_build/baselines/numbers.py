"""The figures of all baselines as plain values, and a section of a page of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from model_build.bootstrap import Estimate
from stream_worker.report_page import Section, heading, paragraph, table

VERSION_NAME: Final = "baselines_version"
VERSION: Final = 1
TASKS: Final[Mapping[str, str]] = {"binary": "two classes", "multiclass": "three classes"}
OVER: Final[Mapping[str, str]] = {
    "over_run": "the trained network",
    "over_short": "the same network in the same short training",
}
"""Which network leads by how much."""


class BadBaselines(ValueError):
    """A file holds no figures of baselines; the message names it and what was expected."""


def read_baselines(path: Path) -> dict[str, Any]:
    """Read the figures that ``model-build baselines`` wrote.

    Raises
    ------
    BadBaselines
        If the file is missing, no JSON, or something else.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadBaselines(f"{path}: {error}") from error
    version = found.get(VERSION_NAME) if isinstance(found, dict) else None
    if version != VERSION:
        raise BadBaselines(f"{path}: {VERSION_NAME} {version!r}, expected {VERSION}")
    missing = [name for name in ("n", "training", "run", "baselines") if name not in found]
    if missing:
        raise BadBaselines(f"{path}: {', '.join(missing)} is missing")
    return dict(found)


def estimate_from(plain: Mapping[str, Any] | None) -> Estimate | None:
    """Return what `Estimate.as_json` made plain."""
    if plain is None:
        return None
    value, low, high = (
        float("nan") if end is None else float(end) for end in (plain["value"], *plain["interval"])
    )
    return Estimate(value, low, high)


def not_beaten(numbers: Mapping[str, Any]) -> list[str]:
    """Say which baselines a network is not shown to beat: the interval of its lead reaches 0 or below."""
    told = []
    for its in numbers["baselines"].values():
        for over, network in OVER.items():
            for task, words in TASKS.items():
                lead = None if its[over] is None else estimate_from(its[over][task])
                if lead is not None and not lead.low > 0.0:
                    told.append(f"{network} is not shown to beat {its['title']} in {words}: lead {lead}")
    return told


def baseline_section(numbers: Mapping[str, Any]) -> Section:
    """Accuracies of the baselines, and the network's lead over each."""
    n, training = numbers["n"], numbers["training"]
    lead = (
        f"Simpler classifiers on the same split, after sec. 6 of Viaña et al. 2025: mean accuracies on the "
        f"{n['test']:,} labelled stars of the test split, the threshold of two classes chosen on the "
        f"{n['validation']:,} of the validation split, with 95 % intervals from resampled clusters of stars. "
        f"Those on features are fitted to the {n['train']:,} labelled stars of the training split, without "
        f"crops."
    )
    if training is not None:
        lead += (
            f" Short trainings see {training['examples']:,} examples, crops among them, for "
            f"{training['epochs']} epochs: they are to be held against each other, not against the trained "
            "network, which saw all for more. Each was trained once: intervals are of the stars, not of "
            "chance in training."
        )
    rows: list[list[object]] = []
    if numbers["run"] is not None:
        rows.append(_row("The trained network", numbers["run"]))
    rows += [_row(its["title"], its) for its in numbers["baselines"].values()]
    columns = ["", "two classes", "threshold", "three classes", "Yes", "Maybe", "No"]
    body = table(columns, rows)
    for over, network in OVER.items():
        leads = [its for its in numbers["baselines"].values() if its[over] is not None]
        if leads:
            body += heading(f"Lead of {network}, paired by cluster")
            body += table(
                ["over", *TASKS.values()],
                [[its["title"], *(estimate_from(its[over][task]) for task in TASKS)] for its in leads],
            )
    told = [f"Doubtful: {doubt}" for doubt in numbers.get("doubts", ())] + not_beaten(numbers)
    body += "".join(paragraph(f"{line[0].upper()}{line[1:]}.") for line in told)
    compared = any(its[over] is not None for its in numbers["baselines"].values() for over in OVER)
    if compared and not not_beaten(numbers):
        body += paragraph("No interval of a lead reaches 0: each network beats what it is held against.")
    return Section("Baselines", lead, body)


def _row(title: str, its: Mapping[str, Any]) -> list[object]:
    recall = (estimate_from(its["recall"][name]) for name in ("yes", "maybe", "no"))
    return [
        title,
        estimate_from(its["binary"]),
        its["threshold"],
        estimate_from(its["multiclass"]),
        *recall,
    ]
