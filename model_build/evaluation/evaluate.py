"""What ``model-build evaluate`` computes: each part only where its input is given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from model_build.dataset import DatasetError, data_sha256
from model_build.evaluation.doubts import season_doubts, stranger_doubts
from model_build.evaluation.history import History, read_history
from model_build.evaluation.labelled import SEED, SeasonFigures, season_figures
from model_build.evaluation.missing import Loss, losses
from model_build.evaluation.perturbed import PerturbedFigures, perturbed_figures
from model_build.evaluation.scored import ScoredSeason, score_season
from model_build.evaluation.scoring import BundleRef
from model_build.evaluation.splits import (
    ScoredSplit,
    SplitFigures,
    is_made_for,
    require_made_for,
    score_set,
    split_figures,
    splits_of_season,
)
from model_build.evaluation.streamed import StreamFigures, stream_figures
from model_build.evaluation.sweep import sweep_thresholds
from model_build.evaluation.thresholds import Thresholds, thresholds_of
from model_build.evaluation.visibility import VisibilityCurve, score_visible, visibility_curve
from model_build.progress import Progress
from model_build.season.command import Order, simulate_to
from model_build.season.sections import as_table
from model_build.season.sizes import size_of
from model_build.training_set.crew import Crew
from model_build.training_set.reader import TrainingSet, open_training_set
from stream_worker.bundle import Bundle

OWN_SEED: Final = 9001
"""Of the season that is simulated where none is given; nothing is trained or tuned on it."""
ARGMAX: Final = "best on validation"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What to evaluate on; None leaves a part out.

    ``set_season`` is the archive of ``training_set``, ``baselines`` what ``model-build baselines`` wrote.
    """

    season: Path
    stream: Path | None = None
    perturbed: Path | None = None
    training_set: Path | None = None
    set_season: Path | None = None
    run: Path | None = None
    baselines: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SetFigures:
    """Of a training set.

    Parameters
    ----------
    splits
        By split; thresholds are the bundle's and `ARGMAX`.
    argmax
        Threshold with the largest mean accuracy on the set's validation split.
    visibility
        By split, those with candidates of both sides; None without the set's season.
    missing
        What is lost on the test split without some inputs; None where the set is another network's.
    """

    training_set: TrainingSet
    splits: Mapping[str, SplitFigures]
    thresholds: Mapping[str, float]
    argmax: float
    visibility: Mapping[str, VisibilityCurve] | None
    missing: Mapping[str, Loss] | None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All that was asked for; ``doubts`` say which of it proves less than it seems to."""

    bundle: Bundle
    thresholds: Thresholds
    season: ScoredSeason
    figures: SeasonFigures
    perturbed: PerturbedFigures | None
    stream: tuple[ScoredSeason, StreamFigures] | None
    training_set: SetFigures | None
    history: History | None
    doubts: Sequence[str] = ()


def own_season(cache: Path, workers: int, progress: Progress) -> Path:
    """Simulate a small season that no training uses into the cache, if it is not there; about a minute.

    Raises
    ------
    ValueError
        If the folder there holds something else.
    FolderInUse
        If another process is at it.
    """
    order = Order(2021, OWN_SEED, size_of("ci"))
    numbers = json.dumps(as_table(order.config()), sort_keys=True)
    season = cache / f"season-ci-{OWN_SEED}-{sha256(numbers.encode()).hexdigest()[:12]}"
    simulate_to(
        season,
        order,
        workers=workers,
        cache=cache / "schedules",
        resume=True,
        progress=progress,
    )
    return season


def evaluate(inputs: Inputs, bundle: Bundle, crew: Crew, cache: Path, progress: Progress) -> Evaluation:
    """Score what has no scores in ``cache`` yet and compute all figures. Blocks for minutes.

    Raises
    ------
    BadArchive, BadContainer, BadTrainingSet, BadHistory, BadRun, DatasetError, OtherStandardisation
        If an input can't be used.
    ValueError
        If a season lacks labelled stars of a side.
    """
    history = None if inputs.run is None else read_history(inputs.run)
    opened = None
    if inputs.training_set is not None:
        opened = _open_set(inputs.training_set, inputs.set_season, bundle)
    doubts = stranger_doubts(
        bundle,
        training_set=None if opened is None else (opened.path, opened.sha256),
        run=inputs.run,
        baselines=inputs.baselines,
    )
    thresholds = thresholds_of(bundle.manifest)

    def scored(path: Path, name: str) -> ScoredSeason:
        return score_season(path, bundle, crew, cache, name=name, progress=progress)

    judges = [season := scored(inputs.season, "season")]
    figures = season_figures(season, bundle.manifest, thresholds)
    perturbed = stream = found = None
    if inputs.perturbed is not None:
        judges.append(other := scored(inputs.perturbed, "perturbed season"))
        perturbed = perturbed_figures(season, other, thresholds)
    if opened is not None:
        if inputs.set_season is not None:
            splits = splits_of_season(opened, scored(inputs.set_season, "training set's season"))
        else:
            splits = score_set(opened, bundle, BundleRef.of(bundle).open(), progress)
        found = _set_figures(opened, splits, inputs.set_season, bundle, thresholds, crew, cache, progress)
    if inputs.stream is not None:
        judges.append(streamed := scored(inputs.stream, "stream"))
        stream = streamed, stream_figures(streamed, bundle.manifest, thresholds)
    doubts += season_doubts(bundle, judges)
    return Evaluation(bundle, thresholds, season, figures, perturbed, stream, found, history, doubts)


def _open_set(path: Path, season: Path | None, bundle: Bundle) -> TrainingSet:
    opened = open_training_set(path)
    if season is None:
        require_made_for(opened, bundle)
    else:
        made_of, found = opened.manifest["season"]["sha256"], data_sha256(season)
        if made_of != found:
            raise DatasetError(
                f"{season}: SHA-256 {found}, {path} was made of a season of {made_of}: another season"
            )
    return opened


def _set_figures(
    opened: TrainingSet,
    splits: Mapping[str, ScoredSplit],
    season: Path | None,
    bundle: Bundle,
    thresholds: Thresholds,
    crew: Crew,
    cache: Path,
    progress: Progress,
) -> SetFigures:
    validation = splits["validation"]
    argmax = sweep_thresholds(validation.p_review, validation.labels).best()
    of = dict(thresholds.of) | {ARGMAX: argmax}
    visibility = None
    if season is not None:
        parts = score_visible(opened, season, bundle, crew, cache, progress)
        visibility = {
            split: visibility_curve(part, thresholds.chosen, SEED)
            for split, part in parts.items()
            if part.has_both_sides
        }
    missing = None
    if is_made_for(opened, bundle):
        missing = losses(opened, BundleRef.of(bundle).open(), thresholds.chosen, SEED, progress)
    return SetFigures(
        training_set=opened,
        splits={split: split_figures(one, of, SEED) for split, one in splits.items()},
        thresholds=of,
        argmax=argmax,
        visibility=visibility,
        missing=missing,
    )
