"""Reads training sets: examples lazily, from memory-mapped arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from model_build.training_set.arrays import (
    COLUMN_DTYPES,
    MANIFEST_FILE,
    OFFSET_FILES,
    ROW_FILES,
    TRAINING_SET_VERSION,
    VERSION_NAME,
    array_files,
    content_sha256,
    file_sha256,
)
from model_build.training_set.plan import ORIGINS
from model_build.training_set.split import SPLITS, IntArray
from stream_worker.batching import Branches
from stream_worker.bundle import CLASSES
from stream_worker.preprocessing import (
    FEATURES,
    PREPROCESSING_VERSION,
    SITES,
    PreprocessingOptions,
    Standardisation,
)

Float64Array = NDArray[np.float64]
_ORDERS = {"classes": CLASSES, "splits": SPLITS, "origins": ORIGINS, "sites": SITES, "features": FEATURES}


class BadTrainingSet(ValueError):
    """A folder is no training set of this version, or not what was written."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """The examples of a training set; all arrays are memory-mapped and read-only.

    Parameters
    ----------
    path
        Its folder.
    manifest
        How it was made: season, options, counts; see there.
    standardisation, options
        What a bundle of a network trained on it needs.
    review_weights : float64 [2]
        Class weights N / (K n_c) of No and of Yes with Maybe, over training stars with their crops.
    class_weights : float64 [3]
        The same of each of `CLASSES`.
    rows : tuple of float32 [rows, 12]
        Per site the standardised observations of all examples, one after the other.
    offsets : tuple of int64 [n + 1]
        Per site where each example's rows begin.
    labels, splits, origins : int64 [n]
        Places in `CLASSES`, `SPLITS` and `ORIGINS`.
    seasons : int64 [n]
        0 of the season that is split; that of a further one, counted from 1.
    clusters : int64 [n]
        Of the example's star in its season, to draw bootstrap samples by.
    t_cut, t_break : float64 [n]
        HJD - 2450000; of a crop the end of the crop, and the break as found without it.
    crops : float64 [n, 2]
        First and last HJD - 2450000 that a crop kept; NaN if it is none.
    candidate_ids, star_ids : bytes [n]
        As in its season's truth table, encoded.
    """

    path: Path
    manifest: Mapping[str, Any]
    standardisation: Standardisation
    options: PreprocessingOptions
    review_weights: Float64Array
    class_weights: Float64Array
    rows: tuple[NDArray[np.float32], ...]
    offsets: tuple[IntArray, ...]
    labels: IntArray
    splits: IntArray
    origins: IntArray
    seasons: IntArray
    clusters: IntArray
    t_cut: Float64Array
    t_break: Float64Array
    crops: Float64Array
    candidate_ids: NDArray[np.bytes_]
    star_ids: NDArray[np.bytes_]

    @property
    def sha256(self) -> str:
        """Hash of all content."""
        return str(self.manifest["content_sha256"])

    @property
    def lengths(self) -> IntArray:
        """Observations of each example at each site, int64 [n, 3]."""
        return np.stack([np.diff(offsets) for offsets in self.offsets], axis=1)

    def __len__(self) -> int:
        return int(self.labels.size)

    def branches(self, place: int) -> Branches:
        """Return one example's inputs, views of float32 [n_site, 12].

        Raises
        ------
        IndexError
            If there is no such example.
        """
        if not 0 <= place < len(self):
            raise IndexError(f"example {place}: {self.path} has {len(self)}, counted from 0")
        ctio, saao, sso = (
            rows[offsets[place] : offsets[place + 1]]
            for rows, offsets in zip(self.rows, self.offsets, strict=True)
        )
        return ctio, saao, sso

    def places(self, split: str, *origins: str) -> IntArray:
        """Return where the examples of a split are that come from any of ``origins``, ascending.

        Raises
        ------
        ValueError
            If there is no such split or origin.
        """
        wanted = [ORIGINS.index(origin) for origin in origins]
        return np.flatnonzero((self.splits == SPLITS.index(split)) & np.isin(self.origins, wanted))

    def examples(self, places: IntArray) -> Examples:
        """Return the inputs at ``places`` as a sequence that reads each when it is asked for."""
        return Examples(self, places)


@dataclass(frozen=True, slots=True, eq=False)
class Examples(Sequence[Branches]):
    """Inputs of some examples of a training set, read when asked for."""

    of: TrainingSet
    places: IntArray

    def __len__(self) -> int:
        return int(self.places.size)

    @overload
    def __getitem__(self, index: int) -> Branches: ...
    @overload
    def __getitem__(self, index: slice) -> Examples: ...
    def __getitem__(self, index: int | slice) -> Branches | Examples:
        if isinstance(index, slice):
            return Examples(self.of, self.places[index])
        return self.of.branches(int(self.places[index]))

    def __iter__(self) -> Iterator[Branches]:
        return (self.of.branches(place) for place in self.places.tolist())


def open_training_set(path: Path, *, verify: bool = True) -> TrainingSet:
    """Open a training set that ``model-build dataset`` wrote.

    Parameters
    ----------
    verify
        Hash all arrays, seconds for some GB. Version, manifest, shapes and types are always checked.

    Raises
    ------
    BadTrainingSet
        If the folder is no training set, of another version of it or of the preprocessing, or changed.
    """
    manifest = read_manifest(path)
    arrays = {name: _open(path / name, manifest["arrays"], verify=verify) for name in array_files()}
    columns = {name: arrays[f"{name}.npy"] for name in COLUMN_DTYPES}
    n = len(columns["labels"])
    for name, column in columns.items():
        if len(column) != n:
            raise BadTrainingSet(f"{path}: {name}.npy has {len(column)} examples, labels.npy {n}")
    for rows, offsets in zip(ROW_FILES, OFFSET_FILES, strict=True):
        _require_offsets(path / offsets, arrays[offsets], n, len(arrays[rows]))
    standardisation = manifest["standardisation"]
    return TrainingSet(
        path=path,
        manifest=manifest,
        standardisation=Standardisation(
            np.array(standardisation["mean"], np.float64), np.array(standardisation["sd"], np.float64)
        ),
        options=PreprocessingOptions(**manifest["preprocessing"]["options"]),
        review_weights=np.array(manifest["class_weights"]["review"], np.float64),
        class_weights=np.array(manifest["class_weights"]["classes"], np.float64),
        rows=tuple(arrays[name] for name in ROW_FILES),
        offsets=tuple(arrays[name] for name in OFFSET_FILES),
        **columns,
    )


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of the training set in a folder.

    Raises
    ------
    BadTrainingSet
        If there is none, or one that was changed or is of another version.
    """
    file = path / MANIFEST_FILE
    try:
        manifest = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BadTrainingSet(f"{file} is missing: the folder holds no training set") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadTrainingSet(f"{file}: no JSON: {error}") from error
    version = manifest.get(VERSION_NAME) if isinstance(manifest, dict) else None
    if version != TRAINING_SET_VERSION:
        raise BadTrainingSet(f"{file}: {VERSION_NAME} {version!r}, expected {TRAINING_SET_VERSION}")
    if (found := content_sha256(manifest)) != manifest.get("content_sha256"):
        raise BadTrainingSet(
            f"{file}: its content has SHA-256 {found}, it says {manifest.get('content_sha256')!r}: "
            "it was changed"
        )
    its_version = manifest["preprocessing"]["version"]
    if its_version != PREPROCESSING_VERSION:
        raise BadTrainingSet(
            f"{file}: prepared by preprocessing version {its_version!r}, this code has "
            f"{PREPROCESSING_VERSION!r}: build it anew"
        )
    for name, expected in _ORDERS.items():
        if manifest["order"][name] != list(expected):
            raise BadTrainingSet(f"{file}: {name} {manifest['order'][name]}, expected {list(expected)}")
    return dict(manifest)


def orders() -> dict[str, list[str]]:
    """Orders of classes, splits, origins, sites and features, which the arrays' numbers refer to."""
    return {name: list(order) for name, order in _ORDERS.items()}


def _open(path: Path, arrays: Mapping[str, Any], *, verify: bool) -> NDArray[Any]:
    expected = arrays[path.name]
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise BadTrainingSet(f"{path}: no readable array: {error}") from error
    found = {"shape": list(array.shape), "dtype": array.dtype.str}
    for name, value in found.items():
        if value != expected[name]:
            raise BadTrainingSet(f"{path}: {name} {value}, the manifest says {expected[name]}")
    if verify and (sha256 := file_sha256(path)) != expected["sha256"]:
        raise BadTrainingSet(
            f"{path}: SHA-256 {sha256}, the manifest says {expected['sha256']}: it was changed"
        )
    return np.asarray(array)  # a plain view is quicker to slice


def _require_offsets(path: Path, offsets: IntArray, n: int, n_rows: int) -> None:
    if offsets.size != n + 1 or offsets[0] != 0 or offsets[-1] != n_rows:
        raise BadTrainingSet(
            f"{path}: {offsets.size} offsets from {offsets[0]} to {offsets[-1]}, "
            f"expected {n + 1} from 0 to {n_rows}"
        )
    for i, (start, stop) in enumerate(pairwise(offsets.tolist())):
        if stop < start:
            raise BadTrainingSet(f"{path}: example {i} has rows {start}:{stop}, expected ascending offsets")
