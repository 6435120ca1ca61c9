"""A season on disk: container files of candidates, one per run, and the tables that no packet leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from model_build.progress import Progress
from model_build.season.artefacts import EventSource
from model_build.season.event_table import EVENTS_FILE, event_rows, write_events
from model_build.season.events import EventParameters
from model_build.season.labels import LabelledStar
from model_build.season.packets import SURVEY
from model_build.season.season import RunReview, Season
from model_build.season.sizes import Contents
from model_build.season.stars import Scene, Star
from model_build.season.summary import SUMMARY_FILE
from model_build.season.truth import TRUTH_FILE, TruthRow, clusters, write_truth
from model_build.season.workers import Workers, in_chunks
from stream_worker.alertfinder import Detection
from stream_worker.candidate import candidate_id
from stream_worker.codec import write_candidates

_PACKETS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: candidates, and the labelled stars that have any of them."""

    candidates: int
    labelled: tuple[LabelledStar, ...]


class TooFewCandidates(ValueError):
    """The season has fewer candidates than were asked for."""


def existing_archive(directory: Path) -> list[Path]:
    """Files of an earlier season in ``directory``."""
    tables = (TRUTH_FILE, EVENTS_FILE, SUMMARY_FILE)
    return [
        *sorted(directory.glob("run-*.avro")),
        *(path for name in tables for path in directory.glob(name)),
    ]


def write_archive(
    season: Season,
    balanced: Sequence[LabelledStar],
    contents: Contents,
    scene: Scene,
    directory: Path,
    workers: Workers,
    progress: Progress = lambda *_: None,
) -> Written:
    """Write the candidates that ``contents`` asks for, ``run-YYYY-MM-DD.avro`` for each run, then the tables.

    Of the balanced set the candidates at the date of their label and at the first that listed them are
    written; for training those at their last listing too, and all other labelled stars at their label's
    date and at their last listing; of a stream all that vetting kept. A run's file that is there
    already is left alone: it is whole, and what an equal season wrote.

    Parameters
    ----------
    balanced
        The balanced set; of a stream, all labelled stars.

    Raises
    ------
    TooFewCandidates
        If a stream has fewer candidates than ``contents.at_most``.
    """
    numbers = {star.star_id: number for number, star in season.stars.items()}
    chosen = {numbers[label.star_id]: label for label in balanced}
    every = season.labelled if contents.kind == "training" else balanced
    labels = {numbers[label.star_id]: label for label in every}
    if contents.kind == "stream":
        wanted = _stream(season, contents)
    else:
        last = _last_listings(season) if contents.kind == "training" else {}
        wanted = _of_labels(season, _dates(chosen, labels, last))
    total = sum(len(found) for found in wanted.values())
    if contents.at_most is not None and total < contents.at_most:
        raise TooFewCandidates(f"{contents.at_most} candidates wanted, the season has {total}")
    for done, (run, found) in enumerate(wanted.items(), 1):
        path = directory / f"run-{run}.avro"
        if not path.exists():
            chunks = workers.map("packets", in_chunks(found, _PACKETS_AT_ONCE))
            write_candidates(path, (packet for chunk in chunks for packet in chunk))
        progress("write", done, len(wanted))
    write_truth(directory / TRUTH_FILE, _truth(season, labels, frozenset(chosen), scene, wanted))
    write_events(directory / EVENTS_FILE, event_rows(season))
    listed = {number for found in wanted.values() for number, _ in found}
    return Written(total, tuple(label for number, label in labels.items() if number in listed))


_Wanted = Mapping[str, Sequence[tuple[int, Detection]]]


def _stream(season: Season, contents: Contents) -> _Wanted:
    """Star numbers and detections to write, by run, of runs that have any."""
    wanted: dict[str, list[tuple[int, Detection]]] = {}
    left = contents.at_most
    for run in season.runs:
        found = sorted(run.kept.items())[:left] if contents.holds(run.run.run_id) else []
        left = None if left is None else left - len(found)
        if found:
            wanted[run.run.run_id] = found
    return wanted


def _of_labels(season: Season, dates: Mapping[int, frozenset[str]]) -> _Wanted:
    """The same of labelled stars, each with the runs that are wanted of it."""
    wanted: dict[str, list[tuple[int, Detection]]] = {}
    for run in season.runs:
        run_id = run.run.run_id
        found = [one for one in sorted(run.kept.items()) if run_id in dates.get(one[0], ())]
        if found:
            wanted[run_id] = found
    return wanted


def _dates(
    chosen: Mapping[int, LabelledStar], labels: Mapping[int, LabelledStar], last: Mapping[int, str]
) -> dict[int, frozenset[str]]:
    """Runs wanted of each labelled star: its label's, its last, and of those chosen its first."""
    return {
        n: frozenset(
            {label.run_id, last.get(n, label.run_id), *([label.first_run_id] if n in chosen else [])}
        )
        for n, label in labels.items()
    }


def _last_listings(season: Season) -> dict[int, str]:
    return {number: run.run.run_id for run in season.runs for number in run.kept}


def _truth(
    season: Season,
    labels: Mapping[int, LabelledStar],
    chosen: frozenset[int],
    scene: Scene,
    wanted: _Wanted,
) -> list[TruthRow]:
    histories = {history.star_id: history for history in season.histories}
    listed = sorted({number for found in wanted.values() for number, _ in found})
    group = _clusters([season.stars[n] for n in listed])
    runs = {run.run.run_id: run for run in season.runs}
    rows = []
    for run_id, found in wanted.items():
        for number, detection in found:
            star = season.stars[number]
            history = histories[star.star_id]
            rows.append(
                _row(
                    star,
                    _event(star, scene),
                    runs[run_id],
                    detection,
                    labels.get(number),
                    chosen=number in chosen,
                    cluster=group[number],
                    event_class=None if history.event_class is None else history.event_class.value,
                    listed=(history.appearances[0].run_id, history.appearances[-1].run_id),
                )
            )
    return rows


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
    detection: Detection,
    label: LabelledStar | None,
    *,
    chosen: bool,
    cluster: int,
    event_class: str | None,
    listed: tuple[str, str],
) -> TruthRow:
    review, appearance = run.verdicts.get(star.number), run.appearances[star.number]
    return TruthRow(
        candidate_id=candidate_id(SURVEY, star.star_id, detection.t_cut),
        star_id=star.star_id,
        run_id=run.run.run_id,
        t_cut=run.run.t_cut,
        label=None if label is None else label.label.value,
        selected=chosen and label is not None and run.run.run_id == label.run_id,
        first_run_id=listed[0],
        last_run_id=listed[1] if label is None else label.run_id,
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
        neighbours=run.neighbours[star.number],
        field=star.field,
        chip=star.chip,
        x=star.x,
        y=star.y,
        ra=star.ra,
        dec=star.dec,
        i_base=star.i_base,
        **({} if event is None else asdict(event)),
    )
