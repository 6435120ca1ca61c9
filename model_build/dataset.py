"""Labelled candidates of a season's archive, prepared, split by cluster, in batches of similar length."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_build.season.summary import SUMMARY_FILE, BadSummary, read_summary
from model_build.season.tables import BadTable
from model_build.season.truth import TRUTH_FILE, TruthRow, read_truth
from stream_worker.batching import Branches
from stream_worker.bundle import CLASSES
from stream_worker.candidate import Candidate
from stream_worker.codec import read_candidates
from stream_worker.preprocessing import Prepared, PreprocessingOptions, TooFewObservations, prepare

RUN_FILES = "run-*.avro"
_OLD_TRUTH_FILE = "truth.csv"  # of the simulator before this one
_SPLIT = (0.8, 0.1, 0.1)  # Viaña et al. 2025, sec. 5.3


class DatasetError(Exception):
    """The training data can't be used; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A prepared candidate with its label (place in `CLASSES`); stars of one cluster share ``group``."""

    prepared: Prepared
    label: int
    group: int


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Examples for training, for stopping early, and held out."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]


def read_examples(
    directory: Path,
    options: PreprocessingOptions,
    *,
    every_run: bool = False,
    limit: int | None = None,
    progress: Callable[[int], None] = lambda _done: None,
) -> Iterator[Example]:
    """Read and prepare the labelled candidates of a season's archive.

    Left out are candidates of stars without label, and those with too few observations.

    Parameters
    ----------
    every_run
        Take a labelled star's candidates of all runs, not only the one at its label's date.
    limit
        Use a random subset of so many, the same for the same data.

    Raises
    ------
    DatasetError
        If the truth table is missing or of another version, or it and the run files don't have the
        same candidates, or none has a label.
    """
    runs = sorted(directory.glob(RUN_FILES))
    if not runs:
        raise DatasetError(f"{directory} holds no {RUN_FILES}")
    rows = _read_truth(directory)
    labels = {
        row.candidate_id: (CLASSES.index(row.label), row.cluster)
        for row in rows
        if row.label is not None and (every_run or row.selected)
    }
    if not labels:
        raise DatasetError(f"{directory / TRUTH_FILE}: none of its {len(rows)} candidates carries a label")
    wanted = _subset(sorted(labels), limit)
    known, seen, done = {row.candidate_id for row in rows}, set(), 0
    for path in runs:
        for candidate in read_candidates(path):
            if candidate.candidate_id not in known:
                raise DatasetError(f"{path}: candidate {candidate.candidate_id} has no row in {TRUTH_FILE}")
            seen.add(candidate.candidate_id)
            if candidate.candidate_id not in wanted:
                continue
            done += 1
            progress(done)
            prepared = _prepare(candidate, options)
            if prepared is not None:
                yield Example(prepared, *labels[candidate.candidate_id])
    if lost := sorted(known - seen):
        raise DatasetError(
            f"{directory}: {len(lost)} candidates of {TRUTH_FILE} are in no {RUN_FILES}, e.g. {lost[0]}"
        )


def read_season(directory: Path) -> dict[str, Any]:
    """Return how an archive's season was made, and its counts (``season.json``).

    Raises
    ------
    DatasetError
        If it is missing, no JSON or of another version.
    """
    path = directory / SUMMARY_FILE
    try:
        return read_summary(path)
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing: {_no_season(directory)}") from None
    except BadSummary as error:
        raise DatasetError(str(error)) from error


def data_sha256(directory: Path) -> str:
    """SHA-256 over names and contents of all run files and the truth table."""
    digest = hashlib.sha256()
    for path in [*sorted(directory.glob(RUN_FILES)), directory / TRUTH_FILE]:
        digest.update(f"{path.name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def split_by_group(examples: Sequence[Example], seed: int) -> Split:
    """Split 80/10/10 at random so that no star, nor another of its cluster, is on two sides."""
    groups = sorted({example.group for example in examples})
    order = np.random.default_rng(seed).permutation(len(groups))
    edges = np.round(np.cumsum(_SPLIT) * len(groups)).astype(int)
    part = {groups[place]: int(np.searchsorted(edges, rank, "right")) for rank, place in enumerate(order)}
    train, validation, test = (
        tuple(example for example in examples if part[example.group] == number) for number in range(3)
    )
    return Split(train, validation, test)


def class_weights(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Weight per class, N / (K n_c) (Viaña et al. 2025, sec. 6), float64 [n_classes].

    Raises
    ------
    ValueError
        If a class is absent.
    """
    counts = np.bincount(labels, minlength=n_classes)
    if counts.size != n_classes or not counts.all():
        raise ValueError(f"every one of {n_classes} classes must be present, counts are {counts.tolist()}")
    return labels.size / (n_classes * counts.astype(np.float64))


def bucketed_batches(
    examples: Sequence[Branches], size: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Cut examples into batches of similar length, both their membership and order drawn anew.

    Returns
    -------
    list of int64 arrays
        Places in ``examples``, each exactly once.
    """
    longest = np.array([max(map(len, branches)) for branches in examples], np.float64)
    order = np.argsort(longest * rng.uniform(0.9, 1.1, longest.size))
    batches = np.split(order, range(size, order.size, size))
    return [batches[place] for place in rng.permutation(len(batches))]


def _read_truth(directory: Path) -> tuple[TruthRow, ...]:
    path = directory / TRUTH_FILE
    try:
        rows = read_truth(path)
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing: {_no_season(directory)}") from None
    except BadTable as error:
        raise DatasetError(str(error)) from error
    for row in rows:
        if row.label not in (*CLASSES, None):
            raise DatasetError(
                f"{path}: candidate {row.candidate_id} has label {row.label!r}, "
                f"expected one of {', '.join(CLASSES)}, or none"
            )
    return rows


def _no_season(directory: Path) -> str:
    if (directory / _OLD_TRUTH_FILE).exists():
        return f"{_OLD_TRUTH_FILE} is of a simulator that is no more, simulate anew"
    return "the folder holds no season, or an unfinished one"


def _prepare(candidate: Candidate, options: PreprocessingOptions) -> Prepared | None:
    """As the worker does; None if there are too few observations."""
    detection = candidate.alertfinder
    try:
        return prepare(
            candidate.light_curves,
            t_break=detection.t_break,
            t_cut=detection.t_cut,
            ra=candidate.ra,
            dec=candidate.dec,
            options=options,
        )
    except TooFewObservations:
        return None


def _subset(ids: Sequence[str], limit: int | None) -> frozenset[str]:
    if limit is None or limit >= len(ids):
        return frozenset(ids)
    return frozenset(ids[place] for place in np.random.default_rng(0).permutation(len(ids))[:limit])
