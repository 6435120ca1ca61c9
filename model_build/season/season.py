"""A season from its exposures to its labels: detect star by star, then vet and review run by run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np

from model_build.progress import Progress
from model_build.season.detections import DETECTION_ROW, DetectionRows, by_run
from model_build.season.eventfinder import EventClass
from model_build.season.generators import generator
from model_build.season.labels import Appearance, LabelledStar, StarHistory, label_season
from model_build.season.memory import ReviewMemory
from model_build.season.review import EVENT, Stage1, stage2
from model_build.season.stars import Star
from model_build.season.vetting import Fate, Flagged, neighbour_counts, strongest_neighbours, vet
from model_build.season.work import Bench, SeasonPlan
from model_build.season.workers import Workers, in_chunks
from stream_worker.alertfinder import Detection, RunDate

_STARS_AT_ONCE = 32
_REVIEWS_AT_ONCE = 8

Origin = Literal["event", "other"]


@dataclass(frozen=True, slots=True)
class RunReview:
    """One run, by star number.

    Parameters
    ----------
    fates
        How many of the stars flagged met each fate, events with their ghosts and others apart.
    kept
        The detections that vetting kept.
    neighbours
        Of each star kept, how many others flagged in this run are close to it.
    verdicts
        Of the light-curve review, for those it saw.
    appearances
        What became of each star kept.
    """

    run: RunDate
    fates: Mapping[tuple[Origin, Fate], int]
    kept: Mapping[int, Detection]
    neighbours: Mapping[int, int]
    verdicts: Mapping[int, Stage1]
    appearances: Mapping[int, Appearance]


@dataclass(frozen=True, slots=True)
class Season:
    """A finished season: stars by number, runs in order, what became of every listed star, labels."""

    stars: Mapping[int, Star]
    runs: tuple[RunReview, ...]
    histories: tuple[StarHistory, ...]
    labelled: tuple[LabelledStar, ...]


@dataclass(frozen=True, slots=True)
class _Before:
    """What a run knows of those before it: reviewers' memory, and sources announced by then."""

    memory: ReviewMemory
    announced: frozenset[int]


def live_season(
    plan: SeasonPlan, bench: Bench, workers: Workers, progress: Progress = lambda *_: None
) -> Season:
    """Detect, vet, review and label one season. Blocks for minutes."""
    found, scanned = [], 0
    for chunk in workers.map("detect", in_chunks(sorted(bench.stars), _STARS_AT_ONCE)):
        found.append(chunk)
        scanned = min(scanned + _STARS_AT_ONCE, len(bench.stars))
        progress("detect", scanned, len(bench.stars))
    rows = np.concatenate([np.empty(0, dtype=DETECTION_ROW), *found])
    runs, before = [], _Before(ReviewMemory(), frozenset())
    for done, (run, today) in enumerate(zip(bench.dates, by_run(rows, len(bench.dates)), strict=True), 1):
        review, before = _review_run(plan, run, today, bench, before, workers)
        runs.append(review)
        progress("review", done, len(bench.dates))
    histories = tuple(_histories(bench.stars, runs, workers, progress))
    return Season(bench.stars, tuple(runs), histories, label_season(histories))


def _review_run(
    plan: SeasonPlan,
    run: RunDate,
    today: DetectionRows,
    bench: Bench,
    before: _Before,
    workers: Workers,
) -> tuple[RunReview, _Before]:
    """Vet a run's detections, review the new ones, announce the strongest that pass the images too."""
    vetting, memory, stars = plan.config.vetting, before.memory, bench.stars
    flagged = {int(row["star"]): _flagged(stars[int(row["star"])], run, row) for row in today}
    fates = vet(list(flagged.values()), vetting, scale=plan.scale_false)
    near = dict(zip(flagged, neighbour_counts(list(flagged.values()), vetting), strict=True))
    kept = {
        int(row["star"]): bench.code.detection(row)
        for row, fate in zip(today, fates, strict=True)
        if fate is Fate.KEPT
    }
    known = [n for n in kept if stars[n].source in before.announced]
    new = [
        n
        for n in kept
        if stars[n].source not in before.announced
        and not memory.is_old(stars[n].star_id, run.run_id, vetting)
    ]
    verdicts: dict[int, Stage1] = {}
    for found in workers.map("review", in_chunks([(n, kept[n]) for n in new], _REVIEWS_AT_ONCE)):
        verdicts |= found
    passed = [n for n in new if verdicts[n].passed]
    others = [*(flagged[n] for n in known), *memory.passed]
    alerted = {
        n
        for n in _primaries([flagged[n] for n in passed], passed, others, plan)
        if stage2(stars[n].kind, generator(plan.seed, "stage 2", stars[n].source), plan.config.review)
    }
    announced = before.announced | {stars[n].source for n in alerted}
    after = memory.after(
        run,
        rejected=[stars[n].star_id for n in new if n not in alerted],
        passed=[flagged[n] for n in passed],
        config=vetting,
    )
    appearances = {
        n: Appearance(
            run.run_id,
            run.t_cut,
            new=n in verdicts,
            passed=n in verdicts and verdicts[n].passed,
            alerted=n in alerted,
        )
        for n in kept
    }
    counts = Counter((origin(stars[n]), fate) for n, fate in zip(flagged, fates, strict=True))
    review = RunReview(run, counts, kept, {n: near[n] for n in kept}, verdicts, appearances)
    return review, _Before(after, announced)


def _primaries(
    candidates: Sequence[Flagged], numbers: Sequence[int], others: Sequence[Flagged], plan: SeasonPlan
) -> list[int]:
    """Those that no stronger neighbour stands for, among themselves or ``others``."""
    stronger = strongest_neighbours([*candidates, *others], plan.config.vetting)
    return [n for n, one in zip(numbers, islice(stronger, len(numbers)), strict=True) if one is None]


def _histories(
    stars: Mapping[int, Star], runs: Iterable[RunReview], workers: Workers, progress: Progress
) -> Iterator[StarHistory]:
    """Every listed star; the season-end check is made for events and for what was announced."""
    seen: dict[int, list[Appearance]] = {}
    for run in runs:
        for number, appearance in run.appearances.items():
            seen.setdefault(number, []).append(appearance)
    checked = [n for n in sorted(seen) if stars[n].event is not None or any(a.alerted for a in seen[n])]
    classes: dict[int, EventClass | None] = {}
    for found in workers.map("check", in_chunks(checked, _REVIEWS_AT_ONCE)):
        classes |= found
        progress("check", len(classes), len(checked))
    for number in sorted(seen):
        star = stars[number]
        yield StarHistory(
            star_id=star.star_id,
            ra=star.ra,
            dec=star.dec,
            source=star.source,
            kind=star.kind,
            event_class=classes.get(number),
            appearances=tuple(seen[number]),
        )


def origin(star: Star) -> Origin:
    """Tell whether a star scales with the events or with everything else."""
    return "event" if star.kind in (EVENT, "ghost") else "other"


def _flagged(star: Star, run: RunDate, row: Any) -> Flagged:
    return Flagged(
        star_id=star.star_id,
        field=star.field,
        chip=star.chip,
        ra=star.ra,
        dec=star.dec,
        t_cut=run.t_cut,
        delta_chi2=float(row["delta_chi2"]),
    )
