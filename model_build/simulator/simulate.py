"""A season's candidates: draw stars until the survey's criterion flags them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from model_build.simulator.artefacts import ARTEFACTS
from model_build.simulator.config import KIND_WEIGHTS, LABELS, SimulatorConfig
from model_build.simulator.observe import could_trigger, make_star, observe
from model_build.simulator.scene import Place, Scene, draw_places, make_scene
from model_build.simulator.schedule import Epochs, ScheduleKey, make_schedules, observed_dates, run_dates, utc
from model_build.simulator.signals import SIGNALS, draw_magnitude
from stream_worker.candidate import AlertFinderDetection, Candidate, Tense, candidate_id
from stream_worker.preprocessing import LightCurve, Trigger, trigger

SURVEY = "KMTNet"
_KINDS = MappingProxyType({**SIGNALS, **ARTEFACTS})


@dataclass(frozen=True, slots=True)
class Truth:
    """What the simulator knows of a candidate and the packet doesn't say.

    ``label`` is yes, maybe or no; ``kind`` the signal; ``group`` is shared by close neighbours and
    negative for a star that had to be placed anew; ``parameters`` those of the kind
    (``t_0``, ``t_E``, ``u_0``, ``f_s`` of an event).
    """

    candidate_id: str
    star_id: str
    label: str
    kind: str
    group: int
    i_base: float
    parameters: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SimulatedCandidate:
    """A candidate with its truth, and the number of its run in the season, from 1."""

    candidate: Candidate
    truth: Truth
    run: int


@dataclass(frozen=True, slots=True, eq=False)
class Season:
    """Everything candidates of one season share."""

    year: int
    config: SimulatorConfig
    tense: Tense
    seed: int
    run_dates: tuple[float, ...]
    schedules: Mapping[ScheduleKey, Epochs]


@dataclass(frozen=True, slots=True)
class _Flagged:
    place: Place
    kind: str
    i_base: float
    parameters: Mapping[str, float]
    light_curves: tuple[LightCurve, ...]
    detection: Trigger


def simulate_season(
    year: int, n: int, seed: int, *, tense: Tense = Tense.TEST, config: SimulatorConfig | None = None
) -> Iterator[SimulatedCandidate]:
    """Yield ``n`` candidates in the order of their runs; the same arguments give the same candidates.

    Place, date and sites are drawn before the class and kept until a star of that class is flagged
    there, so that neither dates nor numbers of points depend on the class.
    """
    config = config or SimulatorConfig()
    rng = np.random.default_rng([seed, year])
    dates = run_dates(year, config)
    season = Season(year, config, tense, seed, tuple(dates), make_schedules(year, config, rng))
    observed = observed_dates(dates, season.schedules, config.max_age_d)
    places = draw_places(n, observed, config, rng)
    labels = rng.permutation(_label_counts(n, config.mix))
    for number in np.argsort([place.t_cut for place in places], kind="stable"):
        yield _simulate(places[number], str(labels[number]), int(number), season)


def _label_counts(n: int, mix: Mapping[str, float]) -> list[str]:
    """Return ``n`` labels in the proportions of ``mix``, by cumulative rounding."""
    shares = np.cumsum([mix[label] for label in LABELS])
    edges = np.round(n * shares / shares[-1]).astype(int)
    return [
        label for label, count in zip(LABELS, np.diff(edges, prepend=0), strict=True) for _ in range(count)
    ]


def _simulate(place: Place, label: str, number: int, season: Season) -> SimulatedCandidate:
    rng = np.random.default_rng(
        [season.seed, season.year, number + 1]
    )  # a zero would repeat the season's own
    flagged = _flag_somewhere(place, label, number, season, rng)
    candidate = _candidate(flagged, number, season, rng)
    truth = Truth(
        candidate_id=candidate.candidate_id,
        star_id=candidate.star_id,
        label=label,
        kind=flagged.kind,
        group=flagged.place.group,
        i_base=flagged.i_base,
        parameters=flagged.parameters,
    )
    return SimulatedCandidate(candidate, truth, season.run_dates.index(place.t_cut) + 1)


def _flag_somewhere(
    place: Place, label: str, number: int, season: Season, rng: np.random.Generator
) -> _Flagged:
    """Place the star anew where it was not observed of late, or too little to be flagged."""
    flagged = _flag(place, label, season, rng)
    for _ in range(season.config.max_places):
        if flagged is not None:
            return flagged
        anew = draw_places(1, np.array([place.t_cut]), season.config, rng)[0]
        flagged = _flag(replace(anew, group=-1 - number), label, season, rng)
    raise RuntimeError(
        f"no star of class {label} is flagged at t_cut {place.t_cut} after {season.config.max_places} places"
    )


def _flag(place: Place, label: str, season: Season, rng: np.random.Generator) -> _Flagged | None:
    """Draw signals of a class at one place until the criterion is met; None if it never is."""
    config = season.config
    scene = make_scene(place, season.schedules, config, rng)
    if not is_observed(scene, config):
        return None
    kinds, weights = zip(*KIND_WEIGHTS[label].items(), strict=True)
    for _ in range(config.max_kinds):
        kind = str(rng.choice(kinds, p=weights))
        for _ in range(config.max_draws):
            star = make_star(scene, draw_magnitude(config, rng), config)
            signal = _KINDS[kind](scene, star, config, rng)
            if not could_trigger(signal, star.error):
                continue
            light_curves = observe(scene, star, signal, config, rng)
            detection = trigger(light_curves, t_cut=place.t_cut)
            if detection is not None and meets_criterion(detection, scene, config):
                return _Flagged(place, kind, star.i_base, signal.parameters, light_curves, detection)
    return None


def is_observed(scene: Scene, config: SimulatorConfig) -> bool:
    """Tell whether a site has recent data: AlertFinder looks at no other, whatever the star does."""
    t_cut = scene.place.t_cut
    times = [dataset.epochs.hjd for dataset in scene.datasets]
    return any(hjd.size and t_cut - hjd[-1] < config.max_age_d for hjd in times)


def meets_criterion(detection: Trigger, scene: Scene, config: SimulatorConfig) -> bool:
    """Tell whether AlertFinder flags the star: a high and significant rise (sec. 3.2)."""
    threshold = config.min_delta_chi2[0 if scene.cadence >= config.high_cadence else 1]
    return bool(
        detection.n_high >= config.n_high and detection.delta_chi2 >= threshold and detection.slope > 0
    )


def _candidate(flagged: _Flagged, number: int, season: Season, rng: np.random.Generator) -> Candidate:
    place, detection = flagged.place, flagged.detection
    star_id = f"{place.field}{place.chip}{rng.integers(1024):04d}.{number:06d}"
    delay_ms = season.config.pipeline_delay_h * 3_600_000
    return Candidate(
        candidate_id=candidate_id(SURVEY, star_id, place.t_cut),
        survey=SURVEY,
        season=season.year,
        run_id=f"simulated-{season.year}-{season.seed}-{season.run_dates.index(place.t_cut) + 1:04d}",
        tense=season.tense,
        replay_id=None,
        star_id=star_id,
        field=detection.dataset,
        chip=place.chip,
        x=float(np.float32(place.x)),
        y=float(np.float32(place.y)),
        ra=place.ra,
        dec=place.dec,
        baseline_mag=float(np.float32(flagged.i_base)),
        alertfinder=AlertFinderDetection(
            site=detection.site,
            dataset=detection.dataset,
            n_high=detection.n_high,
            t_break=detection.t_break,
            t_cut=detection.t_cut,
            slope=detection.slope,
            delta_chi2=detection.delta_chi2,
        ),
        light_curves=flagged.light_curves,
        produced_at=round(utc(place.t_cut).timestamp() * 1000 + delay_ms),
    )
