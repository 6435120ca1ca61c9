"""What the worker processes of a season do, star by star; each builds the scene once for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from model_build.season.config import SeasonConfig
from model_build.season.detections import DETECTION_ROW, DetectionCode, DetectionRows
from model_build.season.eventfinder import EventClass, find_event
from model_build.season.generators import generator
from model_build.season.observing import Observatory
from model_build.season.packets import candidate
from model_build.season.review import Stage1, stage1
from model_build.season.scene import build_scene
from model_build.season.schedule import build_schedule, run_dates
from stream_worker.alertfinder import Detection, scan
from stream_worker.candidate import Candidate


@dataclass(frozen=True, slots=True)
class SeasonPlan:
    """What makes a season: the same plan gives the same season, whatever the number of workers.

    ``scale_events`` and ``scale_false`` are the shares of the survey's events and of everything else;
    ``cache`` is a folder for the schedule.
    """

    config: SeasonConfig
    season: int
    seed: int
    scale_events: float
    scale_false: float
    cache: Path | None


class Bench:
    """One process's view of a plan: its scene and an observatory to look at it with."""

    def __init__(self, plan: SeasonPlan) -> None:
        self.plan = plan
        self.dates = run_dates(plan.season, plan.config)
        self.code = DetectionCode(self.dates, tuple(plan.config.fields))
        scene = build_scene(plan.config, plan.season, plan.seed, plan.scale_events, plan.scale_false)
        schedule = build_schedule(plan.config, plan.season, plan.seed, plan.cache)
        self.stars = {star.number: star for star in scene.stars}
        self.observatory = Observatory(plan.config, schedule, scene)

    def detect(self, numbers: Sequence[int]) -> DetectionRows:
        """Detections of each star over all runs, as rows."""
        config = self.plan.config.detection
        found = [np.empty(0, dtype=DETECTION_ROW)]
        for number in numbers:
            star = self.stars[number]
            thresholds = config.thresholds(self.plan.config.fields[star.field].cadence)
            curves = self.observatory.light_curves(star)
            found.append(self.code.rows(number, scan(curves, self.dates, config, thresholds)))
        return np.concatenate(found)

    def review(self, asked: Sequence[tuple[int, Detection]]) -> dict[int, Stage1]:
        """Light-curve review of each star in one run; what was noticed is left out."""
        verdicts = {}
        for number, detection in asked:
            star = self.stars[number]
            verdict = stage1(
                self.observatory.light_curves(star),
                detection.t_break,
                detection.t_cut,
                generator(self.plan.seed, "stage 1", number, detection.run_id),
                self.plan.config.review,
            )
            verdicts[number] = replace(verdict, impression=None)
        return verdicts

    def check(self, numbers: Sequence[int]) -> dict[int, EventClass | None]:
        """Season-end check of each star, over the whole season."""
        fits = {
            n: find_event(self.observatory.light_curves(self.stars[n]), self.plan.config.event_finder)
            for n in numbers
        }
        return {n: None if fit is None else fit.event_class for n, fit in fits.items()}

    def packets(self, asked: Sequence[tuple[int, Detection]]) -> list[Candidate]:
        """Candidate packet of each detection."""
        return [
            candidate(self.stars[n], found, self.observatory.light_curves(self.stars[n]), self.plan.season)
            for n, found in asked
        ]
