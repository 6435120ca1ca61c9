"""The numbers of a season's summary as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from model_build.season import sections
from model_build.season.config import SeasonConfig


class BadRecord(ValueError):
    """A summary lacks something or holds something else than it should."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Stars at each step of one run; ``crowded`` to ``total_cap`` are those that vetting rejected."""

    flagged: int
    crowded: int
    chip_cap: int
    field_cap: int
    total_cap: int
    kept: int
    new: int
    stage_1: int
    alerted: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run; ``event`` counts events and their ghosts, ``other`` everything else."""

    run_id: str
    t_cut: float
    event: Counts
    other: Counts


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """Stars of each class."""

    yes: int
    maybe: int
    no: int


@dataclass(frozen=True, slots=True)
class Labels:
    """Stars labelled in the season, and those of them in the archive."""

    found: LabelCounts
    written: LabelCounts


@dataclass(frozen=True, slots=True)
class KindOfReview:
    """Light-curve reviews of one hidden kind."""

    kind: str
    reviewed: int
    passed: int


@dataclass(frozen=True, slots=True)
class Reviews:
    """Errors of the light-curve review: `model_build.season.review_rates`; NaN or None of none."""

    by_kind: tuple[KindOfReview, ...]
    false_pass: float | None
    miss: float | None
    miss_by_snr: Mapping[float, float | None]


@dataclass(frozen=True, slots=True)
class SeasonRecord:
    """How a season was made and what became of it."""

    season: int
    seed: int
    scale_events: float
    scale_false: float
    contents: Literal["labelled", "training", "stream"]
    perturbed: int | None
    stars: int
    runs: tuple[Run, ...]
    labels: Labels
    reviews: Reviews
    candidates: int
    config: SeasonConfig

    def at_survey_scale(self, run: Run, step: str) -> float:
        """Return one of the `Counts` of a run at the survey's scale; a scale of 0 counts for nothing."""
        shares = ((run.event, self.scale_events), (run.other, self.scale_false))
        return sum(float(getattr(counts, step)) / scale for counts, scale in shares if scale > 0.0)

    def per_day(self, step: str) -> float:
        """Return the mean of `at_survey_scale` over the runs."""
        return sum(self.at_survey_scale(run, step) for run in self.runs) / len(self.runs)


def read_record(summary: Mapping[str, Any]) -> SeasonRecord:
    """Return the typed values of a summary.

    Raises
    ------
    BadRecord
        With every value that is missing or impossible, by its dotted path.
    """
    faults: list[str] = []
    config = sections.read(SeasonConfig, summary.get("config"), "config", faults)
    if faults:
        raise BadRecord("; ".join(faults))
    try:
        record = _RECORD.validate_python({**summary, "config": config})
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise BadRecord("; ".join(faults)) from error
    if not record.runs:
        raise BadRecord("runs: none, expected at least one")
    return record


_RECORD: TypeAdapter[SeasonRecord] = TypeAdapter(SeasonRecord)
