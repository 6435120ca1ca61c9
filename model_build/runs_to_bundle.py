"""Training runs to the files of a bundle, p_event calibrated on the way."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model_build.augment import Losses
from model_build.bundle_writer import write_bundle
from model_build.dataset import data_sha256, read_season
from model_build.evaluation.scored import score_season
from model_build.event_probability import EventProbability, fit_to_streams
from model_build.network_bundle import Networks, bundle_files, network_from, one_each, two_headed
from model_build.progress import Progress
from model_build.release import Named, p_event_at, release_of, seasons_of
from model_build.training.run_folder import read_best, read_checkpoint, read_run
from model_build.training_set.crew import open_crew
from model_build.training_set.reader import TrainingSet

_TOLD: Final[Mapping[str, str]] = {
    "labelled": "stars at their labels' dates",
    "crop": "crops of these",
    "first": "first listings",
    "last": "last listings",
    "other": "labelled stars outside the balanced set",
    "further": "listings of labelled stars in further seasons",
}


@dataclass(frozen=True, slots=True)
class Base:
    """Where p_event shall hold: on natural streams like these, or at a share of events; else nowhere.

    Scoring streams takes ``workers`` processes; scores are kept in ``cache``.
    """

    streams: tuple[Path, ...] = ()
    rate: float | None = None
    workers: int = 1
    cache: Path = Path(".cache") / "evaluation"


def files_of_runs(
    runs: Sequence[Path], of: TrainingSet, base: Base, named: Named, progress: Progress = lambda *_: None
) -> dict[str, bytes]:
    """Return a bundle of one run of both tasks, or of one of each. Blocks for minutes with streams.

    Raises
    ------
    ValueError
        If the folders hold anything else, or runs on another training set; if p_event can't be fitted.
    BadArchive, BadContainer, DatasetError
        If a stream can't be read.
    """
    networks, training = _networks_of_runs(runs, of.sha256)
    p_event = None if base.rate is None else p_event_at(networks, of, base.rate)
    if base.streams:
        plain = bundle_files(networks, release_of(networks, of, None, named, training))
        _refuse_used_twice(base.streams, of)
        p_event = _p_event_of_streams(plain, base, progress)
    return bundle_files(networks, release_of(networks, of, p_event, named, training))


def _refuse_used_twice(streams: Sequence[Path], of: TrainingSet) -> None:
    """Refuse a stream that the networks were trained on, where p_yes is too sure, or that comes again."""
    used = dict.fromkeys(seasons_of(of), f"a season of {of.path}")
    for stream in streams:
        read_season(stream)  # tells what is wrong with a folder that holds none
        sha256 = data_sha256(stream)
        if sha256 in used:
            raise ValueError(f"{stream} is {used[sha256]}: p_event must be fitted to other streams")
        used[sha256] = f"the same stream as {stream}"


def _p_event_of_streams(plain: Mapping[str, bytes], base: Base, progress: Progress) -> EventProbability:
    """Score the streams with the bundle as a worker would, and fit p_event to them."""
    with tempfile.TemporaryDirectory(prefix="lensnet-") as scratch, open_crew(base.workers) as crew:
        bundle = write_bundle(Path(scratch) / "bundle", plain)
        return fit_to_streams(
            [
                score_season(stream, bundle, crew, base.cache, name=stream.name, progress=progress)
                for stream in base.streams
            ]
        )


def _networks_of_runs(runs: Sequence[Path], training_set: str) -> tuple[Networks, dict[str, str]]:
    """Networks of the runs, and what the model card says of their training."""
    networks, told = {}, {}
    for folder in runs:
        run = read_run(folder)
        if run.training_set != training_set:
            raise ValueError(f"{folder}: trained on set {run.training_set}, --set is {training_set}")
        networks[run.task] = network_from(read_best(folder), run.options.network)
        state = read_checkpoint(folder)
        epochs = "no epochs" if state is None else f"best epoch {state.best_epoch} of {len(state.epochs)}"
        told[f"training, {run.task}"] = (
            f"{epochs}, batches of {run.options.batch_size}, Adam at {run.options.learning_rate:g}, "
            f"seed {run.seed}"
        )
        told[f"trained on, {run.task}"] = "; ".join(_TOLD[name] for name in run.options.origins)
        told[f"left out at random, {run.task}"] = _lost(run.options.losses)
    if len(runs) == 1 and "both" in networks:
        both = networks["both"]
        return two_headed(both.model, both.options), told
    if len(runs) == len(networks) == 2 and "both" not in networks:
        return one_each(networks["binary"], networks["multiclass"]), told
    raise ValueError(f"expected a run of both tasks or one of each, got {', '.join(sorted(networks))}")


def _lost(losses: Losses) -> str:
    """What of an example was lost at random in training."""
    chances = {
        "each site": losses.site,
        "each of sky, seeing and PSF quality": losses.column,
        "all of these": losses.all_columns,
        "up to this share of the observations": losses.rows,
    }
    told = ", ".join(f"{what} {chance:.0%}" for what, chance in chances.items() if chance)
    return told or "nothing"
