"""Further seasons, to train on whole: some listings of each labelled star, nothing held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_build.dataset import DatasetError, data_sha256, provenance, read_season
from model_build.season.truth import TRUTH_FILE, TruthRow
from model_build.training_set.crops import Offer
from model_build.training_set.plan import ORIGINS, Example
from model_build.training_set.split import SPLITS
from model_build.training_set.stars import label_of, truth_rows
from stream_worker.bundle import CLASSES

_ORIGIN: Final = ORIGINS.index("further")
_TRAIN: Final = SPLITS.index("train")


@dataclass(frozen=True, slots=True)
class FurtherSeason:
    """An archive to train on whole.

    Parameters
    ----------
    number
        Place among the training set's seasons; that which is split is 0.
    summary, sha256
        How it was made, and the hash of its data.
    chosen
        One row of the truth table for each listing to train on.
    listed
        Ids of all its candidates.
    """

    directory: Path
    number: int
    summary: Mapping[str, Any]
    sha256: str
    chosen: tuple[TruthRow, ...]
    listed: frozenset[str]


def read_further(directories: Sequence[Path], split_seed: int, listings: int) -> tuple[FurtherSeason, ...]:
    """Choose listings of labelled stars in further seasons.

    Parameters
    ----------
    split_seed
        Of the season that is split: another of the same seed has stars of it that are held out.
    listings
        Most candidates of one star, evenly from its first to its last.

    Raises
    ------
    DatasetError
        If a season can't be read, has no label or an unknown one, or the seed of another.
    """
    seeds = {split_seed: "the season that is split"}
    found = []
    for number, directory in enumerate(directories, 1):
        summary = read_season(directory)
        if (seed := summary["seed"]) in seeds:
            raise DatasetError(
                f"{directory}: seed {seed} is that of {seeds[seed]}: they share stars, expected another"
            )
        seeds[seed] = str(directory)
        rows = truth_rows(directory / TRUTH_FILE)
        found.append(
            FurtherSeason(
                directory=directory,
                number=number,
                summary=summary,
                sha256=data_sha256(directory),
                chosen=_chosen(directory, rows, listings),
                listed=frozenset(row.candidate_id for row in rows),
            )
        )
    return tuple(found)


def further_examples(season: FurtherSeason, offers: Mapping[str, Offer]) -> dict[str, tuple[Example, ...]]:
    """Return the examples to train on, by candidate; those with too few observations are left out."""
    return {
        row.candidate_id: (
            Example(
                row.candidate_id,
                row.star_id,
                row.cluster,
                label_of(season.directory / TRUTH_FILE, row),
                _TRAIN,
                _ORIGIN,
                season=season.number,
            ),
        )
        for row in season.chosen
        if offers[row.candidate_id].usable
    }


def told(season: FurtherSeason, examples: Mapping[str, tuple[Example, ...]]) -> dict[str, Any]:
    """Return what a manifest says of a further season: where it is from, its stars and listings by class."""
    of_star = {one.star_id: one.label for listing in examples.values() for one in listing}
    labels = [one.label for listing in examples.values() for one in listing]
    return {
        **provenance(season.summary, season.sha256),
        "stars": _by_class(list(of_star.values())),
        "listings": _by_class(labels),
    }


def _chosen(directory: Path, rows: Sequence[TruthRow], listings: int) -> tuple[TruthRow, ...]:
    labelled = sorted(
        (row for row in rows if row.label is not None), key=lambda row: (row.star_id, row.run_id)
    )
    if not labelled:
        raise DatasetError(f"{directory / TRUTH_FILE}: none of its {len(rows)} candidates carries a label")
    chosen: list[TruthRow] = []
    for _, group in groupby(labelled, key=lambda row: row.star_id):
        mine = list(group)
        at = np.unique(np.linspace(0, len(mine) - 1, min(listings, len(mine))).round().astype(int))
        chosen += [mine[place] for place in at.tolist()]
    return tuple(chosen)


def _by_class(labels: Sequence[int]) -> dict[str, int]:
    return dict(zip(CLASSES, np.bincount(labels, minlength=len(CLASSES)).tolist(), strict=True))
