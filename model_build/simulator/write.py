"""Simulated candidates on disk: one container file per AlertFinder run, and the truth beside them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from model_build.simulator.simulate import SimulatedCandidate
from stream_worker.candidate import Candidate
from stream_worker.codec import write_candidates

TRUTH_FILE = "truth.csv"
RUN_FILES = "run-*.avro"
TRUTH_COLUMNS = (
    "candidate_id", "star_id", "label", "kind", "run", "t_cut", "field", "ra", "dec", "i_base", "group",
    "n_sites", "n_points", "t_break", "delta_chi2", "t_0", "t_E", "u_0", "f_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WrittenSeason:
    """What was written: run files, their size together, and candidates by label."""

    directory: Path
    files: int
    bytes: int
    labels: Mapping[str, int]


def existing_output(directory: Path) -> list[Path]:
    """Files of an earlier simulation in ``directory``."""
    return [*sorted(directory.glob(RUN_FILES)), *directory.glob(TRUTH_FILE)]


def write_season(
    simulated: Iterator[SimulatedCandidate], directory: Path, progress: Callable[[int], None]
) -> WrittenSeason:
    """Write ``run-NNNN.avro`` (NNNN the run of the season) and, last of all, ``truth.csv``.

    ``simulated`` is in the order of runs and consumed lazily: one run's candidates are in memory at a
    time. ``progress`` is called with the number written so far.
    """
    directory.mkdir(parents=True, exist_ok=True)
    labels: Counter[str] = Counter()
    size, files = 0, 0
    rows: list[dict[str, object]] = []

    def candidates(of_run: Iterator[SimulatedCandidate]) -> Iterator[Candidate]:
        for one in of_run:
            rows.append(truth_row(one))
            labels[one.truth.label] += 1
            yield one.candidate
            progress(len(rows))

    for run, of_run in groupby(simulated, key=attrgetter("run")):
        path = directory / f"run-{run:04d}.avro"
        write_candidates(path, candidates(of_run))
        size, files = size + path.stat().st_size, files + 1
    with (directory / TRUTH_FILE).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, TRUTH_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return WrittenSeason(directory, files, size, dict(labels))


def truth_row(simulated: SimulatedCandidate) -> dict[str, object]:
    """One line of ``truth.csv``; the four parameters of an event are empty for anything else."""
    candidate, truth = simulated.candidate, simulated.truth
    return {
        "candidate_id": truth.candidate_id,
        "star_id": truth.star_id,
        "label": truth.label,
        "kind": truth.kind,
        "run": simulated.run,
        "t_cut": candidate.alertfinder.t_cut,
        "field": candidate.field,
        "ra": candidate.ra,
        "dec": candidate.dec,
        "i_base": round(truth.i_base, 4),
        "group": truth.group,
        "n_sites": len({light_curve.site for light_curve in candidate.light_curves}),
        "n_points": sum(light_curve.hjd.size for light_curve in candidate.light_curves),
        "t_break": candidate.alertfinder.t_break,
        "delta_chi2": candidate.alertfinder.delta_chi2,
        **{
            name: truth.parameters.get(name, "") if truth.label == "yes" else ""
            for name in ("t_0", "t_E", "u_0", "f_s")
        },
    }
