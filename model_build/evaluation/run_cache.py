"""Arrays made from a season's run files, kept one file per run: what was interrupted goes on from there."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model_build.progress import Progress
from model_build.training_set.crew import Crew

Arrays = Mapping[str, NDArray[Any]]
CACHE_VERSION: Final = 1
"""Changes whenever the same run, bundle and options would give other arrays."""


def over_runs(
    runs: Sequence[Path],
    work: Callable[[Path], Arrays],
    folder: Path,
    crew: Crew,
    step: str,
    progress: Progress,
) -> dict[str, NDArray[Any]]:
    """Apply ``work`` to run files and return its arrays, joined along their first axis in order of ``runs``.

    Parameters
    ----------
    work
        Gives arrays of equal length for each run, the same names for all; runs in the crew's processes.
    folder
        Where ``RUN.npz`` is kept; a run whose file is there already is not worked on again. Its name must
        tell all that the arrays depend on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {run: _load(_file(folder, run)) for run in runs}
    missing = [run for run, arrays in found.items() if arrays is None]
    for done, (run, arrays) in enumerate(zip(missing, crew.map(work, missing), strict=True), 1):
        _save(_file(folder, run), arrays)
        found[run] = arrays
        progress(step, done, len(missing))
    parts = [arrays for arrays in found.values() if arrays is not None]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _file(folder: Path, run: Path) -> Path:
    return folder / f"{run.stem}.npz"


def _load(path: Path) -> Arrays | None:
    """None where there is no file, or one that was spoilt."""
    try:
        with path.open("rb") as file, np.load(file) as archive:
            return dict(archive)
    except (FileNotFoundError, zipfile.BadZipFile, ValueError, EOFError):
        return None


def _save(path: Path, arrays: Arrays) -> None:
    """Write whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
