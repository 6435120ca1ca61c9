"""The report on one season, from its archive to the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from model_build.progress import Progress
from model_build.season.truth import TruthRow
from model_build.season_report.archive import open_archive
from model_build.season_report.classifiers import classifier_section, run_classifiers
from model_build.season_report.distributions import distribution_section
from model_build.season_report.examples import choose, example_section, pairs
from model_build.season_report.funnel import funnel_numbers, funnel_section
from model_build.season_report.label_section import label_section, review_numbers, review_section
from model_build.season_report.maps import map_section
from model_build.season_report.measures import read_measures
from model_build.season_report.record import SeasonRecord
from stream_worker.report_page import Section, page, table

_CONTENTS: Final = {
    "labelled": "labelled stars at the dates of their first listing and of their label",
    "training": "all labelled stars, at the dates of their labels and last listings",
    "stream": "as they come",
}


@dataclass(frozen=True, slots=True)
class Report:
    """The page, and its numbers JSON-ready."""

    html: str
    numbers: dict[str, Any]


def report_on(directory: Path, *, with_classifiers: bool, progress: Progress) -> Report:
    """Read an archive and make its report; blocks for minutes where it is large.

    Raises
    ------
    BadArchive
        If the folder is no whole archive of a season.
    """
    archive = open_archive(directory)
    record, rows = archive.record, tuple(archive.rows.values())
    chosen = choose(rows)
    wanted = {row.candidate_id for row in chosen}
    measures = read_measures(archive, wanted, with_features=with_classifiers, progress=progress)
    classifiers = run_classifiers(measures.features, progress) if with_classifiers else None
    sections = [
        origin_section(record, rows),
        funnel_section(record),
        label_section(record, rows),
        review_section(record.reviews),
        *([] if classifiers is None else [classifier_section(classifiers)]),
        distribution_section(record, measures),
        map_section(record.config.fields, rows),
        example_section(chosen, measures.shown, len(pairs(rows)), progress),
    ]
    numbers = {
        "season": record.season,
        "seed": record.seed,
        "contents": record.contents,
        "candidates": record.candidates,
        "funnel": funnel_numbers(record),
        "labels": asdict(record.labels),
        "reviews": review_numbers(record.reviews),
        "classifiers": None if classifiers is None else classifiers.numbers(),
    }
    return Report(page(_title(record), sections), numbers)


def _title(record: SeasonRecord) -> str:
    return f"Simulated season of {record.season}, seed {record.seed}"


def origin_section(record: SeasonRecord, truth: Sequence[TruthRow]) -> Section:
    """How the season was made, and what of it the archive holds."""
    written = sorted({row.run_id for row in truth})
    lead = (
        "A simulation of the survey, not the survey: what it holds, beside what Viaña et al. 2025 report of "
        "the real season of 2021."
    )
    rows: list[list[object]] = [
        ["season, seed", f"{record.season}, {record.seed}"],
        ["events and their ghosts, share of the survey's", f"{record.scale_events:.4g}"],
        ["everything else, share of the survey's", f"{record.scale_false:.4g}"],
        ["numbers of the configuration", _numbers(record)],
        [
            "runs simulated",
            f"{record.runs[0].run_id} to {record.runs[-1].run_id}, {len(record.runs)} of them",
        ],
        [
            "runs in the archive",
            f"{written[0]} to {written[-1]}, {len(written)} of them" + _cut(record, truth),
        ],
        ["candidates in the archive", f"{record.candidates:,}, {_CONTENTS[record.contents]}"],
    ]
    return Section("This season", lead, table(["", ""], rows))


def _cut(record: SeasonRecord, truth: Sequence[TruthRow]) -> str:
    """Tell whether a stream ends within its last run."""
    if record.contents != "stream":
        return ""
    last = max(row.run_id for row in truth)
    n = sum(row.run_id == last for row in truth)
    kept = sum(run.event.kept + run.other.kept for run in record.runs if run.run_id == last)
    return f", the last with {n:,} of its {kept:,} candidates" if n < kept else ""


def _numbers(record: SeasonRecord) -> str:
    return "as given" if record.perturbed is None else f"drawn within their doubt, seed {record.perturbed}"
