"""The files of a training set: which arrays there are, and how they are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from model_build.training_set.crops import Crop
from model_build.training_set.plan import Example
from stream_worker.batching import Branches
from stream_worker.preprocessing import FEATURES, SITES

MANIFEST_FILE: Final = "manifest.json"
VERSION_NAME: Final = "training_set_version"
TRAINING_SET_VERSION: Final = 3
ROW_FILES: Final = tuple(f"rows_{site}.npy" for site in SITES)
"""float32 [rows, 12] per site: all examples' observations one after the other, standardised."""
OFFSET_FILES: Final = tuple(f"offsets_{site}.npy" for site in SITES)
"""int64 [n + 1] per site: example i has the rows ``offsets[i]:offsets[i + 1]``."""
COLUMN_DTYPES: Final[Mapping[str, str]] = {
    "labels": "<i8",
    "splits": "<i8",
    "origins": "<i8",
    "seasons": "<i8",
    "clusters": "<i8",
    "t_cut": "<f8",
    "t_break": "<f8",
    "crops": "<f8",
    "candidate_ids": "S",
    "star_ids": "S",
}
"""One value per example in NAME.npy; ``crops`` is [n, 2], NaN where nothing was cut; "S" of any length."""

_ROW_DTYPE: Final = np.dtype("<f4")
_NO_CROP: Final = Crop(np.nan, np.nan)


class ArraysWriter:
    """Writes examples one after the other into a folder; `close` finishes the files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows = [_RowWriter(folder / name) for name in ROW_FILES]
        self._offsets: list[list[int]] = [[0] for _ in SITES]
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMN_DTYPES}

    def append(self, example: Example, t_cut: float, t_break: float, branches: Branches) -> None:
        """Add one example; ``t_cut`` and ``t_break`` are HJD - 2450000."""
        for writer, offsets, rows in zip(self._rows, self._offsets, branches, strict=True):
            writer.append(rows)
            offsets.append(writer.n_rows)
        values: dict[str, Any] = {
            "labels": example.label,
            "splits": example.split,
            "origins": example.origin,
            "seasons": example.season,
            "clusters": example.cluster,
            "t_cut": t_cut,
            "t_break": t_break,
            "crops": example.crop or _NO_CROP,
            "candidate_ids": example.candidate_id.encode(),
            "star_ids": example.star_id.encode(),
        }
        for name, column in self._columns.items():
            column.append(values[name])

    def close(self) -> None:
        """Write what is not yet written."""
        self.abandon()
        for name, offsets in zip(OFFSET_FILES, self._offsets, strict=True):
            np.save(self._folder / name, np.array(offsets, "<i8"))
        for name, values in self._columns.items():
            np.save(self._folder / f"{name}.npy", np.array(values, COLUMN_DTYPES[name]))

    def abandon(self) -> None:
        """Close the files, whatever they hold."""
        for writer in self._rows:
            writer.close()


class _RowWriter:
    """A .npy file of float32 [rows, 12] whose number of rows is known only at the end."""

    def __init__(self, path: Path) -> None:
        self.n_rows = 0
        self._file = path.open("wb")
        self._start = _write_header(self._file, 0)

    def append(self, rows: NDArray[np.float32]) -> None:
        self._file.write(np.ascontiguousarray(rows, _ROW_DTYPE).data)
        self.n_rows += len(rows)

    def close(self) -> None:
        if self._file.closed:
            return
        self._file.seek(0)
        if _write_header(self._file, self.n_rows) != self._start:
            raise RuntimeError(f"{self._file.name}: the .npy header of {self.n_rows} rows has another length")
        self._file.close()


def _write_header(file: IO[bytes], n_rows: int) -> int:
    """Write the header, which numpy pads so that the number of rows can grow, and return its length."""
    shape = (n_rows, len(FEATURES))
    npy.write_array_header_1_0(file, {"descr": _ROW_DTYPE.str, "fortran_order": False, "shape": shape})
    return file.tell()


def array_files() -> tuple[str, ...]:
    """Names of all arrays' files, in order."""
    return (*ROW_FILES, *OFFSET_FILES, *(f"{name}.npy" for name in COLUMN_DTYPES))


def describe(folder: Path) -> dict[str, dict[str, Any]]:
    """Shape, type and SHA-256 of each array's file."""
    return {name: _describe(folder / name) for name in array_files()}


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest without its own: through it of all arrays, options and inputs."""
    rest = {name: value for name, value in manifest.items() if name != "content_sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _describe(path: Path) -> dict[str, Any]:
    array = np.load(path, mmap_mode="r")
    return {"shape": list(array.shape), "dtype": array.dtype.str, "sha256": file_sha256(path)}
