"""What ``model-build dataset`` does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_build.dataset import class_weights, data_sha256, provenance, read_season
from model_build.metrics import NO
from model_build.progress import Progress
from model_build.training_set.arrays import (
    MANIFEST_FILE,
    TRAINING_SET_VERSION,
    VERSION_NAME,
    ArraysWriter,
    content_sha256,
    describe,
)
from model_build.training_set.crew import Crew, in_chunks, open_crew
from model_build.training_set.crops import Offer
from model_build.training_set.folder import new_folder, refuse_used
from model_build.training_set.further import FurtherSeason, further_examples, read_further, told
from model_build.training_set.plan import PAPER_COPIES, Example, Plan, SplitBy, make_plan, most_crops
from model_build.training_set.reader import orders
from model_build.training_set.split import IntArray
from model_build.training_set.stars import LabelledStars, read_listed, read_stars
from model_build.training_set.work import CandidateExamples, offers, prepared_examples, standardised_examples
from stream_worker.bundle import CLASSES
from stream_worker.candidate import Candidate
from stream_worker.preprocessing import (
    PREPROCESSING_VERSION,
    PreprocessingOptions,
    Standardisation,
    fit_standardisation,
)

_AT_ONCE: Final = 8  # candidates handed to a worker


@dataclass(frozen=True, slots=True)
class SetOptions:
    """Everything beside the season that a training set's bytes depend on.

    Parameters
    ----------
    split_by
        What may not be on two sides of the split.
    seed
        Of the split and the crops.
    copies
        Examples per star of each class, itself included, >= 1.
    listings
        Most candidates of a star of a further season, >= 1.
    preprocessing
        As a worker will have it.
    """

    split_by: SplitBy = "cluster"
    seed: int = 1
    copies: Mapping[str, float] = field(default_factory=lambda: dict(PAPER_COPIES))
    listings: int = 4
    preprocessing: PreprocessingOptions = field(default_factory=PreprocessingOptions)

    def __post_init__(self) -> None:
        for name in CLASSES:
            if not 1.0 <= self.copies.get(name, 0.0) < np.inf:
                raise ValueError(f"copies of {name} must be at least 1, got {self.copies.get(name)}")
        if self.listings < 1:
            raise ValueError(f"listings must be at least 1, got {self.listings}")


def build_training_set(
    season: Path,
    out: Path,
    options: SetOptions,
    *,
    further: Sequence[Path] = (),
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Build a training set from a season's archive and return its manifest. Blocks for minutes.

    Equal archives and options give equal bytes, whatever the number of workers. The folder appears whole
    or not at all.

    Parameters
    ----------
    further
        Archives of other seasons, to train on whole.

    Raises
    ------
    DatasetError
        If an archive can't be used.
    BadContainer
        If a run file can't be read.
    FolderInUse
        If ``out`` exists and ``overwrite`` is false, or it holds anything but a training set.
    """
    refuse_used(out, overwrite=overwrite)
    summary, stars, source = read_season(season), read_stars(season), data_sha256(season)
    more = read_further(further, summary["seed"], options.listings)
    reading = _Reading(season, stars.listed, progress)
    with open_crew(workers) as crew, new_folder(out) as folder:
        plan = make_plan(
            stars.stars,
            stars.others,
            _survey(reading, stars, options, crew),
            split_by=options.split_by,
            copies=options.copies,
            seed=options.seed,
        )
        standardisation = _fit(reading, plan, options, crew)
        planned = [(reading, plan.examples)]
        for other in more:
            theirs = _Reading(other.directory, other.listed, progress)
            planned.append((theirs, further_examples(other, _survey_listings(theirs, other, options, crew))))
        labels = _write(folder, planned, options, standardisation, crew)
        manifest = _manifest(summary, source, plan, options, standardisation, labels)
        manifest["further"] = [
            told(other, examples) for other, (_, examples) in zip(more, planned[1:], strict=True)
        ]
        manifest["arrays"] = describe(folder)
        manifest["content_sha256"] = content_sha256(manifest)
        (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1, allow_nan=False) + "\n", "utf-8")
    return manifest


@dataclass(frozen=True, slots=True)
class _Reading:
    """The archive, read once for each step."""

    season: Path
    listed: frozenset[str]
    progress: Progress

    def candidates(self, step: str, wanted: frozenset[str]) -> Iterator[Candidate]:
        for done, candidate in enumerate(read_listed(self.season, wanted, self.listed), 1):
            self.progress(step, done, len(wanted))
            yield candidate


def _survey(reading: _Reading, stars: LabelledStars, options: SetOptions, crew: Crew) -> dict[str, Offer]:
    """Ask each candidate for what it can give; only those of the balanced set's labels for crops."""
    every = (*stars.stars, *stars.others)
    ids = {one for star in every for one in (star.first_candidate_id, star.last_candidate_id) if one}
    most = dict.fromkeys((*ids, *(star.candidate_id for star in stars.others)), 0)
    most |= {star.candidate_id: most_crops(options.copies[CLASSES[star.label]]) for star in stars.stars}
    return _offers(reading, most, options, crew)


def _survey_listings(
    reading: _Reading, season: FurtherSeason, options: SetOptions, crew: Crew
) -> dict[str, Offer]:
    """Ask the listings of a further season whether they can be prepared."""
    return _offers(reading, dict.fromkeys((row.candidate_id for row in season.chosen), 0), options, crew)


def _offers(reading: _Reading, most: Mapping[str, int], options: SetOptions, crew: Crew) -> dict[str, Offer]:
    """Ask candidates for at most so many crops."""
    tasks = ((one, most[one.candidate_id]) for one in reading.candidates("survey", frozenset(most)))
    work = partial(offers, seed=options.seed, options=options.preprocessing)
    return {
        found.candidate_id: found for chunk in crew.map(work, in_chunks(tasks, _AT_ONCE)) for found in chunk
    }


def _fit(reading: _Reading, plan: Plan, options: SetOptions, crew: Crew) -> Standardisation:
    """Fit on the paper's examples to train on, crops included (Viaña et al. 2025, sec. 5.4)."""
    training = {
        name: found
        for name, examples in plan.examples.items()
        if (found := tuple(one for one in examples if one.of_paper))
    }
    work = partial(prepared_examples, options=options.preprocessing)
    tasks = _tasks(reading, "fit", training)
    return fit_standardisation(one for chunk in crew.map(work, tasks) for one in chunk)


def _write(
    folder: Path,
    planned: Sequence[tuple[_Reading, Mapping[str, tuple[Example, ...]]]],
    options: SetOptions,
    standardisation: Standardisation,
    crew: Crew,
) -> IntArray:
    """Write all examples, season by season, and return the labels of the paper's to train on, int64."""
    work = partial(standardised_examples, options=options.preprocessing, standardisation=standardisation)
    writer = ArraysWriter(folder)
    labels: list[int] = []
    try:
        for reading, examples in planned:
            for chunk in crew.map(work, _tasks(reading, "write", examples)):
                for example, t_cut, t_break, branches in chunk:
                    writer.append(example, t_cut, t_break, branches)
                    if example.of_paper:
                        labels.append(example.label)
        writer.close()
    finally:
        writer.abandon()
    return np.array(labels, np.int64)


def _manifest(
    summary: Mapping[str, Any],
    source: str,
    plan: Plan,
    options: SetOptions,
    standardisation: Standardisation,
    labels: IntArray,
) -> dict[str, Any]:
    return {
        VERSION_NAME: TRAINING_SET_VERSION,
        "season": provenance(summary, source),
        "split_by": options.split_by,
        "seed": options.seed,
        "copies": {name: float(options.copies[name]) for name in CLASSES},
        "listings": options.listings,
        "order": orders(),
        "preprocessing": {"version": PREPROCESSING_VERSION, "options": asdict(options.preprocessing)},
        "standardisation": {"mean": standardisation.mean.tolist(), "sd": standardisation.sd.tolist()},
        "class_weights": {
            "review": class_weights((labels != NO).astype(np.int64), 2).tolist(),
            "classes": class_weights(labels, len(CLASSES)).tolist(),
        },
        "counts": dict(plan.report),
    }


def _tasks(
    reading: _Reading, step: str, examples: Mapping[str, tuple[Example, ...]]
) -> Iterator[tuple[CandidateExamples, ...]]:
    candidates = reading.candidates(step, frozenset(examples))
    return in_chunks(((one, examples[one.candidate_id]) for one in candidates), _AT_ONCE)
