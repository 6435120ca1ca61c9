"""What ``model-build simulate`` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from model_build.progress import Progress
from model_build.season.archive import existing_archive, write_archive
from model_build.season.config import SeasonConfig, load_config, perturbed
from model_build.season.generators import generator
from model_build.season.journal import (
    JOURNAL_FILE,
    Journalled,
    OtherPlan,
    differences,
    end_journal,
    open_journal,
)
from model_build.season.season import live_season
from model_build.season.selection import affordable_counts, select
from model_build.season.sizes import SeasonSize
from model_build.season.summary import SUMMARY_FILE, description, read_summary, summarise, write_summary
from model_build.season.work import Bench, SeasonPlan
from model_build.season.workers import open_workers


class FolderInUse(Exception):
    """The folder holds a season already, finished or not."""


@dataclass(frozen=True, slots=True)
class Order:
    """A season asked for.

    Parameters
    ----------
    season, seed, size
        Year, seed and size.
    perturbed
        Seed of the numbers drawn anew within their doubt; None leaves them.
    config_file
        Replaces numbers of season.toml.
    """

    season: int
    seed: int
    size: SeasonSize
    perturbed: int | None = None
    config_file: Path | None = None

    def config(self) -> SeasonConfig:
        """Return the season's numbers.

        Raises
        ------
        ConfigError
            With every impossible number.
        """
        config = load_config(self.config_file, changes=self.size.changes)
        return config if self.perturbed is None else perturbed(config, self.perturbed)


def simulate_to(
    directory: Path,
    order: Order,
    *,
    workers: int = 1,
    cache: Path | None = None,
    resume: bool = False,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Simulate a season into a folder and return its summary. Blocks for minutes.

    What is done is kept in the folder until all is: an interrupted season can be resumed, and ends with
    the same bytes. Resuming a finished one returns its summary.

    Parameters
    ----------
    cache
        Folder that keeps schedules from season to season; None keeps none.

    Raises
    ------
    ConfigError
        With every impossible number.
    FolderInUse
        If the folder holds a season and ``resume`` is false.
    OtherPlan
        If it holds an unfinished season that isn't this one.
    TooFewCandidates
        If a stream has fewer candidates than wanted.
    """
    if cache is None:
        with TemporaryDirectory(prefix="lensnet-schedule-") as own:  # the workers compute it once
            return simulate_to(
                directory, order, workers=workers, cache=Path(own), resume=resume, progress=progress
            )
    config, size = order.config(), order.size
    plan = SeasonPlan(config, order.season, order.seed, size.events, size.false, cache)
    described = description(plan, order.perturbed, size.contents)
    if resume and (directory / SUMMARY_FILE).exists():
        return _finished(directory, described)
    if not (resume and (directory / JOURNAL_FILE).exists()):
        _refuse_used(directory)
    with open_journal(directory, described) as journal:
        bench = Bench(plan)
        with open_workers(plan, bench, workers) as crew:
            lived = live_season(plan, bench, Journalled(crew, journal), progress)
            rng = generator(plan.seed, "selection")
            labelled = (
                lived.labelled
                if size.contents.kind == "stream"
                else select(lived.labelled, affordable_counts(lived.labelled), rng)
            )
            scene = bench.observatory.scene
            written = write_archive(lived, labelled, size.contents, scene, directory, crew, progress)
    summary = described | summarise(lived, written.labelled, written.candidates)
    write_summary(directory / SUMMARY_FILE, summary)
    end_journal(directory)
    return summary


def _finished(directory: Path, described: dict[str, Any]) -> dict[str, Any]:
    """Return the summary of a finished season, if it is the one described."""
    summary = read_summary(directory / SUMMARY_FILE)
    if differing := differences({name: summary.get(name) for name in described}, described):
        raise OtherPlan(f"{directory} holds another season, finished: {'; '.join(differing)}")
    return summary


def clear(directory: Path) -> None:
    """Delete the season in a folder, finished or not."""
    for path in existing_archive(directory):
        path.unlink()
    end_journal(directory)


def _refuse_used(directory: Path) -> None:
    if (directory / JOURNAL_FILE).exists():
        raise FolderInUse(f"{directory} holds an unfinished season: add --resume to go on, or --overwrite")
    if old := existing_archive(directory):
        raise FolderInUse(
            f"{directory} already holds {len(old)} files of a season, e.g. {old[0].name}: "
            "choose another folder or add --overwrite"
        )
