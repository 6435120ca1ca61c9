"""A season on disk: one container file of candidates per run, and the truth table that no packet leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from model_build.season.alertfinder import Detection
from model_build.season.artefacts import EventSource
from model_build.season.events import EventParameters
from model_build.season.labels import Appearance, LabelledStar
from model_build.season.review import Stage1
from model_build.season.season import Progress, RunReview, Season, Workers
from model_build.season.stars import Scene, Star
from model_build.season.truth import TruthRow, clusters, write_truth
from stream_worker.codec import write_candidates

TRUTH_FILE = "truth.parquet"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: run files, candidates, rows of the truth table."""

    files: int
    candidates: int


def existing_archive(directory: Path) -> list[Path]:
    """Files of an earlier season in ``directory``."""
    return [*sorted(directory.glob("run-*.avro")), *directory.glob(TRUTH_FILE)]


def write_archive(
    season: Season, scene: Scene, directory: Path, workers: Workers, progress: Progress = lambda *_: None
) -> Written:
    """Write the labelled stars' candidates, at the date of their label and at the first that listed them.

    ``run-YYYY-MM-DD.avro`` for every run that has any, then the truth table, last of all.
    """
    directory.mkdir(parents=True, exist_ok=True)
    numbers = {star.star_id: number for number, star in season.stars.items()}
    labelled = {numbers[label.star_id]: label for label in season.labelled}
    classes = {history.star_id: history.event_class for history in season.histories}
    group = _clusters([season.stars[n] for n in labelled])
    rows: list[TruthRow] = []
    files = 0
    for done, run in enumerate(season.runs, 1):
        wanted = _wanted(run, labelled)
        packets = [packet for chunk in workers.map("packets", wanted) for packet in chunk]
        if packets:
            write_candidates(directory / f"run-{run.run.run_id}.avro", packets)
            files += 1
        for (number, _), packet in zip(wanted, packets, strict=True):
            star = season.stars[number]
            event_class = classes[star.star_id]
            rows.append(
                _row(
                    star,
                    _event(star, scene),
                    run,
                    run.appearances[number],
                    labelled[number],
                    candidate_id=packet.candidate_id,
                    cluster=group[star.number],
                    event_class=None if event_class is None else event_class.value,
                    review=run.verdicts.get(number),
                )
            )
        progress("write", done, len(season.runs))
    write_truth(directory / TRUTH_FILE, rows)
    return Written(files, len(rows))


def _wanted(run: RunReview, labelled: Mapping[int, LabelledStar]) -> list[tuple[int, Detection]]:
    """Labelled stars of a run at their label's date or at their first, with what was detected then."""
    return [
        (number, found)
        for number, found in sorted(run.kept.items())
        if number in labelled and run.run.run_id in (labelled[number].run_id, labelled[number].first_run_id)
    ]


def _clusters(stars: Sequence[Star]) -> dict[int, int]:
    ra, dec = np.array([star.ra for star in stars]), np.array([star.dec for star in stars])
    found = clusters(ra, dec, [star.parent for star in stars])
    return {star.number: int(cluster) for star, cluster in zip(stars, found, strict=True)}


def _event(star: Star, scene: Scene) -> EventParameters | None:
    """The star's own event, or the one it is a ghost of."""
    if star.event is not None or star.parent is None:
        return star.event
    cause = scene.parents[star.parent].cause
    return cause.event if isinstance(cause, EventSource) else None


def _row(
    star: Star,
    event: EventParameters | None,
    run: RunReview,
    appearance: Appearance,
    label: LabelledStar,
    *,
    candidate_id: str,
    cluster: int,
    event_class: str | None,
    review: Stage1 | None,
) -> TruthRow:
    return TruthRow(
        candidate_id=candidate_id,
        star_id=star.star_id,
        run_id=run.run.run_id,
        t_cut=run.run.t_cut,
        label=label.label.value,
        selected=run.run.run_id == label.run_id,
        first_run_id=label.first_run_id,
        last_run_id=label.run_id,
        new=appearance.new,
        passed=appearance.passed,
        alerted=appearance.alerted,
        review_score=None if review is None else review.score,
        rise_snr=None if review is None else review.snr,
        event_class=event_class,
        kind=star.kind,
        parent=star.parent,
        source=star.source,
        cluster=cluster,
        field=star.field,
        chip=star.chip,
        x=star.x,
        y=star.y,
        ra=star.ra,
        dec=star.dec,
        i_base=star.i_base,
        **({} if event is None else asdict(event)),
    )
