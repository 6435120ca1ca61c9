"""From a folder of real light curves and a scorer to counts and scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model_build.progress import Progress
from model_build.real_curves.alerts import Cut, cut_at, event_season, first_and_last
from model_build.real_curves.counts import Tally, tally
from model_build.real_curves.groups import read_stars
from model_build.real_curves.scoring import ScoredCut, score_cuts
from model_build.real_curves.star import RealStar
from model_build.season.config import SeasonConfig
from stream_worker.alertfinder import DetectionConfig
from stream_worker.scoring import Scorer

KS: Final = (2.0, 1.0, 0.5, 0.0)
"""Events are cut so many t_E before t_0."""

FLAG_DATES: Final = ("first", "last")


@dataclass(frozen=True, slots=True, eq=False)
class RealResults:
    """What came out.

    Parameters
    ----------
    bundle, sha256, thresholds
        Which network, and its thresholds by name.
    tallies
        One of each group and cut, in order of the groups.
    cuts
        All of them, scored.
    """

    bundle: str
    sha256: str
    thresholds: Mapping[str, float]
    tallies: tuple[Tally, ...]
    cuts: tuple[ScoredCut, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the counts and every star's scores, JSON-ready."""
        return {
            "bundle": self.bundle,
            "sha256": self.sha256,
            "thresholds": dict(self.thresholds),
            "tallies": [one.as_json() for one in self.tallies],
            "cuts": [_cut_as_json(one) for one in self.cuts if one.score is not None or one.cut.flagged],
        }


def evaluate(directory: Path, scorer: Scorer, config: SeasonConfig, progress: Progress) -> RealResults:
    """Read, cut, flag and score; blocks for some minutes.

    Parameters
    ----------
    directory
        Of all real light curves: see `model_build.real_curves.groups.sources`.
    scorer
        Open on a bundle.
    config
        Of the season simulator: AlertFinder's thresholds and the survey's fields.

    Raises
    ------
    BadInput
        If a file is wrong, or there is none.
    ScoringError
        If the scorer fails.
    """
    stars = read_stars(directory, config.fields, progress)
    cuts: list[Cut] = []
    for done, star in enumerate(stars, 1):
        cuts += cut_star(star, config.detection)
        progress("real stars cut", done, len(stars))
    scored = score_cuts(cuts, scorer)
    manifest = scorer.bundle.manifest
    thresholds = {name: at for name, at in manifest.thresholds.model_dump().items() if at is not None}
    return RealResults(
        bundle=f"{manifest.name} {manifest.version}",
        sha256=scorer.bundle.sha256,
        thresholds=thresholds,
        tallies=tuple(_tallies(stars, scored, thresholds, calibrated=manifest.calibration is not None)),
        cuts=tuple(scored),
    )


def cut_star(star: RealStar, config: DetectionConfig) -> Iterator[Cut]:
    """Cut an event at each of `KS` and any star at its first and last flagged date.

    Of an event only the season of its peak counts for flagged dates.
    """
    if not star.is_event:
        yield from first_and_last(star, config)
        return
    if star.peak is None:
        return
    for k in KS:
        yield cut_at(star, name_of(k), star.peak.t_0 - k * star.peak.t_e, config)
    season = event_season(star)
    if season is not None:
        yield from first_and_last(star, config, season)


def name_of(k: float) -> str:
    """Return how the cut at t_0 - k t_E is called."""
    return f"k = {k:g}"


def _tallies(
    stars: Sequence[RealStar],
    cuts: Sequence[ScoredCut],
    thresholds: Mapping[str, float],
    *,
    calibrated: bool,
) -> Iterator[Tally]:
    for group in dict.fromkeys(star.group for star in stars):
        members = [star for star in stars if star.group == group]
        mine = [one for one in cuts if one.cut.star.group == group]
        events = members[0].is_event
        n = sum(star.peak is not None for star in members) if events else len(members)
        for when in (*map(name_of, KS), *FLAG_DATES) if events else FLAG_DATES:
            yield tally(group, mine, when, n, thresholds, is_event=events, calibrated=calibrated)


def _cut_as_json(one: ScoredCut) -> dict[str, Any]:
    cut, score = one.cut, one.score
    return {
        "group": cut.star.group,
        "star": cut.star.name,
        "when": cut.when,
        "t_cut": round(cut.t_cut, 5),
        "phase": cut.phase,
        "t_break": cut.t_break,
        "rows_before_break": cut.rows_before_break,
        "rows": sum(int(curve.hjd.size) for curve in cut.curves),
        "delta_chi2": cut.delta_chi2,
        "flagged": cut.flagged,
        "p_review": None if score is None else score.p_review,
        "class_probabilities": None if score is None else list(score.class_probabilities),
        "p_event": one.p_event,
    }
