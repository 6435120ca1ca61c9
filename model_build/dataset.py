"""A season's archive as training data: where it is from, its hash, weights of its classes, batches."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model_build.season.summary import SUMMARY_FILE, BadSummary, read_summary
from model_build.season.truth import TRUTH_FILE

RUN_FILES: Final = "run-*.avro"
_OLD_TRUTH_FILE: Final = "truth.csv"  # of the simulator before this one


class DatasetError(Exception):
    """The training data can't be used; the message names the file and what is wrong."""


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


def provenance(summary: Mapping[str, Any], sha256: str) -> dict[str, Any]:
    """Return what a manifest says of a season's archive, from its summary and the hash of its data."""
    told = ("season", "seed", "scale_events", "scale_false", "contents", "perturbed")
    return {"sha256": sha256, **{name: summary.get(name) for name in told}}


def data_sha256(directory: Path) -> str:
    """SHA-256 over names and contents of all run files and the truth table."""
    digest = hashlib.sha256()
    for path in [*sorted(directory.glob(RUN_FILES)), directory / TRUTH_FILE]:
        digest.update(f"{path.name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


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
    lengths: NDArray[np.int64], size: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Cut examples of given lengths [n] into batches of similar length, drawn anew, in random order.

    Returns
    -------
    list of int64 arrays
        Places in ``lengths``, each exactly once.
    """
    order = np.argsort(lengths * rng.uniform(0.9, 1.1, lengths.size))
    batches = np.split(order, range(size, order.size, size))
    return [batches[place] for place in rng.permutation(len(batches))]


def _no_season(directory: Path) -> str:
    if (directory / _OLD_TRUTH_FILE).exists():
        return f"{_OLD_TRUTH_FILE} is of a simulator that is no more, simulate anew"
    return "the folder holds no season, or an unfinished one"
