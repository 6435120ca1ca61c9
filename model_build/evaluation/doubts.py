"""What makes figures say less than they seem to: a bundle evaluated on what made it, or beside a stranger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from model_build.evaluation.scored import ScoredSeason
from model_build.training.run_folder import read_run
from stream_worker.bundle import Bundle


def season_doubts(bundle: Bundle, seasons: Iterable[ScoredSeason]) -> list[str]:
    """Name the seasons that the bundle was made of; a bundle that does not tell has none."""
    made_of = bundle.manifest.made_of
    if made_of is None:
        return []
    uses = ((made_of.trained_on, "was trained on"), (made_of.calibrated_on, "has p_event fitted to"))
    return [
        f"{season.directory}: the bundle {use} this season, its figures there are no evaluation"
        for season in seasons
        for hashes, use in uses
        if season.sha256 in hashes
    ]


def stranger_doubts(
    bundle: Bundle,
    *,
    training_set: tuple[Path, str] | None = None,
    run: Path | None = None,
    baselines: Mapping[str, Any] | None = None,
) -> list[str]:
    """Name what belongs to another training set than the bundle's.

    Parameters
    ----------
    training_set
        Its folder and SHA-256.
    run
        Folder of a training run.
    baselines
        As ``model-build baselines`` wrote them.

    Raises
    ------
    BadRun
        If ``run`` is no training run.
    """
    mine = bundle.manifest.training_data_sha256
    told = []
    if training_set is not None and training_set[1] != mine:
        told.append(
            f"{training_set[0]}: not the set that the bundle was trained on, which may have seen the stars "
            "that are held out here"
        )
    if run is not None and read_run(run).training_set != mine:
        told.append(f"{run}: a run on another training set than the bundle's")
    if baselines is not None and baselines.get("training_set") != mine:
        told.append("baselines: of another training set than the bundle's")
    return told
