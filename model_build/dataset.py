"""Labelled candidates from container files, prepared, split by star, in batches of similar length."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_worker.batching import Branches
from stream_worker.bundle import CLASSES
from stream_worker.codec import read_candidates
from stream_worker.preprocessing import Prepared, PreprocessingOptions, TooFewObservations, prepare

RUN_FILES = "run-*.avro"
TRUTH_FILE = "truth.csv"
_SPLIT = (0.8, 0.1, 0.1)  # Viaña et al. 2025, sec. 5.3


class DatasetError(Exception):
    """The training data can't be used; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A prepared candidate with its label (place in `CLASSES`); close neighbours share ``group``."""

    prepared: Prepared
    label: int
    group: str


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
    limit: int | None = None,
    progress: Callable[[int], None] = lambda _done: None,
) -> Iterator[Example]:
    """Read ``run-*.avro`` and ``truth.csv`` of a directory and prepare each candidate.

    Candidates with too few observations are left out.

    Parameters
    ----------
    limit
        Use a random subset of so many, the same for the same data.

    Raises
    ------
    DatasetError
        If files are missing, or a candidate has no label.
    """
    truth = _read_truth(directory / TRUTH_FILE)
    runs = sorted(directory.glob(RUN_FILES))
    if not runs:
        raise DatasetError(f"{directory} holds no {RUN_FILES}")
    wanted = _subset(sorted(truth), limit)
    done = 0
    for path in runs:
        for candidate in read_candidates(path):
            if candidate.candidate_id not in truth:
                raise DatasetError(f"{path}: candidate {candidate.candidate_id} has no line in {TRUTH_FILE}")
            if candidate.candidate_id not in wanted:
                continue
            done += 1
            progress(done)
            label, group = truth[candidate.candidate_id]
            detection = candidate.alertfinder
            try:
                prepared = prepare(
                    candidate.light_curves,
                    t_break=detection.t_break,
                    t_cut=detection.t_cut,
                    ra=candidate.ra,
                    dec=candidate.dec,
                    options=options,
                )
            except TooFewObservations:
                continue
            yield Example(prepared, label, group)


def data_sha256(directory: Path) -> str:
    """SHA-256 over names and contents of all run files and the truth."""
    digest = hashlib.sha256()
    for path in [*sorted(directory.glob(RUN_FILES)), directory / TRUTH_FILE]:
        digest.update(f"{path.name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def split_by_group(examples: Sequence[Example], seed: int) -> Split:
    """Split 80/10/10 at random so that no star, nor a close neighbour of it, is on two sides."""
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


def _read_truth(path: Path) -> dict[str, tuple[int, str]]:
    if not path.is_file():
        raise DatasetError(f"{path} is missing")
    truth: dict[str, tuple[int, str]] = {}
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            label = row.get("label")
            if label not in CLASSES or not row.get("candidate_id"):
                raise DatasetError(
                    f"{path} line {len(truth) + 2}: candidate_id {row.get('candidate_id')!r}, "
                    f"label {label!r}, expected one of {', '.join(CLASSES)}"
                )
            group = row.get("group") or row.get("star_id") or row["candidate_id"]
            truth[row["candidate_id"]] = (CLASSES.index(label), group)
    return truth


def _subset(ids: Sequence[str], limit: int | None) -> frozenset[str]:
    if limit is None or limit >= len(ids):
        return frozenset(ids)
    return frozenset(ids[place] for place in np.random.default_rng(0).permutation(len(ids))[:limit])
