"""A season from its exposures to its labels: detect star by star, then vet and review run by run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from multiprocessing.pool import Pool
from typing import Any, Protocol

from model_build.season.alertfinder import Detection
from model_build.season.epochs import RunDate
from model_build.season.eventfinder import EventClass
from model_build.season.generators import generator
from model_build.season.labels import Appearance, LabelledStar, StarHistory, label_season
from model_build.season.memory import ReviewMemory
from model_build.season.review import Stage1, stage2
from model_build.season.stars import Star
from model_build.season.vetting import Fate, Flagged, strongest_neighbours, vet
from model_build.season.work import Bench, SeasonPlan

_CHUNK = 32

Progress = Callable[[str, int, int], None]
"""Hears a step's name, how much of it is done and how much there is."""


class Workers(Protocol):
    """Runs a method of `work.Bench` over many items; results come in the order of the items."""

    def map(self, method: str, items: Sequence[Any]) -> Iterator[Any]:
        """Results of ``method`` for one chunk of items after the other. Blocks as they are consumed."""


@dataclass(frozen=True, slots=True)
class RunReview:
    """One run: stars flagged, their fates in vetting, the detections kept, and what reviewers did."""

    run: RunDate
    flagged: int
    fates: Mapping[Fate, int]
    kept: Mapping[int, Detection]
    verdicts: Mapping[int, Stage1]
    appearances: Mapping[int, Appearance]


@dataclass(frozen=True, slots=True)
class Season:
    """A finished season: stars by number, runs in order, what became of every listed star, labels."""

    stars: Mapping[int, Star]
    runs: tuple[RunReview, ...]
    histories: tuple[StarHistory, ...]
    labelled: tuple[LabelledStar, ...]

    def funnel(self) -> dict[str, float]:
        """Daily means at the simulated scale (Viaña et al. 2025, fig. 2 and sec. 3)."""
        n = max(len(self.runs), 1)
        seen = [appearance for run in self.runs for appearance in run.appearances.values()]
        return {
            "flagged": sum(run.flagged for run in self.runs) / n,
            "kept": sum(len(run.kept) for run in self.runs) / n,
            "new": sum(appearance.new for appearance in seen) / n,
            "stage_1": sum(appearance.passed for appearance in seen) / n,
            "alerted": sum(appearance.alerted for appearance in seen) / n,
        }


def live_season(
    plan: SeasonPlan, bench: Bench, workers: Workers, progress: Progress = lambda *_: None
) -> Season:
    """Detect, vet, review and label one season. Blocks for minutes."""
    detections: dict[int, list[Detection]] = {}
    for found in workers.map("detect", sorted(bench.stars)):
        detections |= found
        progress("detect", len(detections), len(bench.stars))
    by_run: dict[str, dict[int, Detection]] = {date.run_id: {} for date in bench.dates}
    for number, found in detections.items():
        for detection in found:
            by_run[detection.run_id][number] = detection
    runs, memory = [], ReviewMemory()
    for done, run in enumerate(bench.dates, 1):
        review, memory = _review_run(plan, run, by_run[run.run_id], bench.stars, memory, workers)
        runs.append(review)
        progress("review", done, len(bench.dates))
    histories = tuple(_histories(bench.stars, runs, workers))
    return Season(bench.stars, tuple(runs), histories, label_season(histories))


def _review_run(
    plan: SeasonPlan,
    run: RunDate,
    today: Mapping[int, Detection],
    stars: Mapping[int, Star],
    memory: ReviewMemory,
    workers: Workers,
) -> tuple[RunReview, ReviewMemory]:
    """Vet a run's detections, review the new ones, alert the strongest that pass the images too."""
    config = plan.config
    numbers = sorted(today)
    flagged = {n: _flagged(stars[n], today[n]) for n in numbers}
    fates = vet([flagged[n] for n in numbers], config.vetting, scale=plan.scale_false)
    kept = {n: today[n] for n, fate in zip(numbers, fates, strict=True) if fate is Fate.KEPT}
    new = [n for n in kept if not memory.is_old(stars[n].star_id, run.run_id, config.vetting)]
    verdicts: dict[int, Stage1] = {}
    for found in workers.map("review", [(n, kept[n]) for n in new]):
        verdicts |= found
    passed = [n for n in new if verdicts[n].passed]
    primaries = _primaries(passed, flagged, memory, plan)
    alerted = {
        n
        for n in primaries
        if stage2(stars[n].kind, generator(plan.seed, "stage 2", stars[n].source), config.review)
    }
    appearances = {
        n: Appearance(run.run_id, run.t_cut, n in verdicts, n in set(passed), n in alerted) for n in kept
    }
    after = memory.after(
        run,
        rejected=[stars[n].star_id for n in new if not verdicts[n].passed],
        passed=[flagged[n] for n in passed],
        config=config.vetting,
    )
    return RunReview(run, len(today), Counter(fates), kept, verdicts, appearances), after


def _primaries(
    passed: Sequence[int], flagged: Mapping[int, Flagged], memory: ReviewMemory, plan: SeasonPlan
) -> list[int]:
    """Those that no stronger neighbour stands for, of this run or of the days before."""
    candidates = [flagged[n] for n in passed]
    stronger = strongest_neighbours([*candidates, *memory.passed], plan.config.vetting)
    return [
        n for n, neighbour in zip(passed, islice(stronger, len(passed)), strict=True) if neighbour is None
    ]


def _histories(
    stars: Mapping[int, Star], runs: Iterable[RunReview], workers: Workers
) -> Iterator[StarHistory]:
    """Every listed star; the season-end check is made for events and for what was alerted."""
    seen: dict[int, list[Appearance]] = {}
    for run in runs:
        for number, appearance in run.appearances.items():
            seen.setdefault(number, []).append(appearance)
    checked = [n for n in sorted(seen) if stars[n].event is not None or any(a.alerted for a in seen[n])]
    classes: dict[int, EventClass | None] = {}
    for found in workers.map("check", checked):
        classes |= found
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


def _flagged(star: Star, detection: Detection) -> Flagged:
    return Flagged(
        star_id=star.star_id,
        field=star.field,
        chip=star.chip,
        ra=star.ra,
        dec=star.dec,
        t_cut=detection.t_cut,
        delta_chi2=detection.delta_chi2,
    )


class HereAlone:
    """`Workers` in this process."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def map(self, method: str, items: Sequence[Any]) -> Iterator[Any]:
        """Results chunk by chunk."""
        return (getattr(self._bench, method)(chunk) for chunk in _chunks(items))


class ProcessWorkers:
    """`Workers` in processes of their own, each with its own bench."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def map(self, method: str, items: Sequence[Any]) -> Iterator[Any]:
        """Results chunk by chunk, in order."""
        return self._pool.imap(_call, [(method, chunk) for chunk in _chunks(items)])


_BENCH: list[Bench] = []
"""The bench of a worker process, set once by its initialiser."""


def set_bench(plan: SeasonPlan) -> None:
    """Initialise a worker process of a pool."""
    _BENCH[:] = [Bench(plan)]


def _call(task: tuple[str, Sequence[Any]]) -> Any:
    method, chunk = task
    return getattr(_BENCH[0], method)(chunk)


def _chunks(items: Sequence[Any]) -> list[list[Any]]:
    return [list(items[i : i + _CHUNK]) for i in range(0, len(items), _CHUNK)]
