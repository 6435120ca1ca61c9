"""A bundle's network on a training set's split, so that it can be held against the baselines."""

from __future__ import annotations

from pathlib import Path

from model_build.baselines.comparison import Predictions
from model_build.evaluation.scored import score_season
from model_build.evaluation.scoring import BundleRef
from model_build.evaluation.splits import is_made_for, require_made_for, score_set, splits_of_season
from model_build.progress import Progress
from model_build.training_set.crew import Crew
from model_build.training_set.reader import TrainingSet
from stream_worker.bundle import Bundle
from stream_worker.scoring import Scores


def score_bundle(
    bundle: Bundle,
    training_set: TrainingSet,
    season: Path | None,
    crew: Crew,
    cache: Path,
    progress: Progress,
) -> Predictions:
    """Score validation and test as they ship; a set prepared for another network needs its ``season``.

    Raises
    ------
    OtherStandardisation
        If the set is prepared for another network, and there is no season to prepare anew.
    BadArchive, BadContainer, DatasetError
        If the season can't be read, or lacks candidates of the set.
    ScoringError
        If a candidate can't be scored.
    """
    if season is None or is_made_for(training_set, bundle):
        require_made_for(training_set, bundle)
        splits = score_set(training_set, bundle, BundleRef.of(bundle).open(), progress)
    else:
        scored = score_season(season, bundle, crew, cache, name="training set's season", progress=progress)
        splits = splits_of_season(training_set, scored)
    validation, test = (
        Scores(splits[name].p_review, splits[name].class_probabilities) for name in ("validation", "test")
    )
    return Predictions(validation, test)
