"""What the same network loses where inputs are missing: columns, the fit line, whole sites.

Nothing is trained anew: this is how a stream is scored whose packets lack something.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from model_build.bootstrap import Estimate, Resampling, estimate
from model_build.evaluation.accuracy import binary_statistic, difference, multiclass_statistic
from model_build.evaluation.scoring import score_branches
from model_build.evaluation.splits import LABELLED
from model_build.progress import Progress
from model_build.training_set.reader import TrainingSet
from stream_worker.batching import Branches
from stream_worker.preprocessing import FEATURES, SITES
from stream_worker.scoring import Scorer

SPLIT: Final = "test"
_AVAILABLE: Final = {"sky_background": "has_sky", "fwhm": "has_fwhm", "psf_quality": "has_psf_quality"}


@dataclass(frozen=True, slots=True)
class Loss:
    """Mean accuracies without some inputs, and how much less than with all of them, paired."""

    binary: Estimate
    binary_loss: Estimate
    multiclass: Estimate
    multiclass_loss: Estimate


def without_columns(branches: Branches, *names: str) -> Branches:
    """Return inputs as if these columns had not been measured: the training mean, marked as not available."""
    columns = [FEATURES.index(name) for name in names]
    columns += [FEATURES.index(_AVAILABLE[name]) for name in names if name in _AVAILABLE]
    ctio, saao, sso = (rows.copy() for rows in branches)
    for rows in (ctio, saao, sso):
        rows[:, columns] = 0.0
    return ctio, saao, sso


def without_site(branches: Branches, site: str) -> Branches:
    """Return inputs as if a site had not observed."""
    place = SITES.index(site)
    ctio, saao, sso = (rows[:0] if number == place else rows for number, rows in enumerate(branches))
    return ctio, saao, sso


VARIANTS: Final[Mapping[str, Callable[[Branches], Branches]]] = {
    "sky": lambda branches: without_columns(branches, "sky_background"),
    "seeing": lambda branches: without_columns(branches, "fwhm"),
    "PSF quality": lambda branches: without_columns(branches, "psf_quality"),
    "sky, seeing and PSF quality": lambda branches: without_columns(branches, *_AVAILABLE),
    "fit line": lambda branches: without_columns(branches, "fit_line"),
    **{site: partial(without_site, site=site) for site in SITES},
}
"""What is missing."""


def losses(
    training_set: TrainingSet, scorer: Scorer, threshold: float, seed: int, progress: Progress
) -> dict[str, Loss]:
    """Score the set's test split without each of `VARIANTS`; blocks for about 2 ms per example and variant.

    An example left without any observation counts as No.

    Raises
    ------
    ValueError
        If the split has no candidates of a side.
    """
    places = training_set.places(SPLIT, LABELLED)
    inputs, labels = list(training_set.examples(places)), training_set.labels[places]
    resampling = Resampling(training_set.clusters[places], seed)

    def statistics(change: Callable[[Branches], Branches]) -> tuple[np.ndarray, np.ndarray]:
        changed = [change(branches) for branches in inputs]
        p_review, classes = score_branches(scorer, changed)
        nothing = np.array([not any(map(len, branches)) for branches in changed])
        p_review[nothing], classes[nothing] = 0.0, (0.0, 0.0, 1.0)
        return (
            binary_statistic(resampling, p_review >= threshold, labels)[0],
            multiclass_statistic(resampling, classes.argmax(axis=1), labels)[0],
        )

    whole = statistics(lambda branches: branches)
    found = {}
    for done, (name, change) in enumerate(VARIANTS.items(), 1):
        binary, multiclass = statistics(change)
        found[name] = Loss(
            estimate(binary),
            difference(whole[0], binary),
            estimate(multiclass),
            difference(whole[1], multiclass),
        )
        progress("missing inputs: variants scored", done, len(VARIANTS))
    return found
