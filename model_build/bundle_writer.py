"""Writes a bundle, byte for byte the same for the same network and figures."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_worker.bundle import CLASSES, Bundle, load_bundle
from stream_worker.bundle.manifest import MANIFEST_FILE, MODEL_CARD_FILE
from stream_worker.preprocessing import (
    FEATURES,
    PREPROCESSING_VERSION,
    SITES,
    PreprocessingOptions,
    Standardisation,
)
from stream_worker.scoring import open_scorer

THRESHOLDS: Mapping[str, float] = {"balanced": 0.45, "pure": 0.955}  # Viaña et al. 2025, sec. 7
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the oldest that zip knows


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """What a bundle says of its network; see `Manifest` for the meaning of each field."""

    name: str
    version: str
    provisional: bool
    standardisation: Standardisation
    options: PreprocessingOptions
    training_data_sha256: str
    git_commit: str | None
    metrics: Mapping[str, float]
    model_card: str
    chosen_threshold: float | None = None
    calibration: Mapping[str, float] | None = None
    made_of: Mapping[str, Sequence[str]] | None = None


def write_bundle(folder: Path, files: Mapping[str, bytes]) -> Bundle:
    """Write a bundle's files, and verify them as a worker would.

    The bundle appears whole, or not at all; an earlier bundle there is replaced.

    Raises
    ------
    FileExistsError
        If ``folder`` holds something else than a bundle.
    BundleError, ScorerBroken
        If a worker would refuse it.
    """
    _refuse_other_content(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        unfinished = Path(scratch) / folder.name
        unfinished.mkdir()
        for name, content in files.items():
            (unfinished / name).write_bytes(content)
        open_scorer(load_bundle(unfinished), provider="cpu", intra_op_threads=1)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    return load_bundle(folder)


def with_manifest(
    files: Mapping[str, bytes],
    release: Release,
    graphs: Mapping[str, Mapping[str, str | None]],
    outputs: Mapping[str, Mapping[str, str]],
    networks: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """Return all files of a bundle: those given, the model card, and the manifest that lists them.

    ``networks`` says how the network of each graph is built.
    """
    listed = {**files, MODEL_CARD_FILE: release.model_card.encode()}
    return listed | {MANIFEST_FILE: _manifest(release, graphs, outputs, networks, listed)}


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a numpy archive without times, its members sorted and stored uncompressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(arrays[name]), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", _ZIP_TIME)
            member.external_attr = 0o644 << 16
            archive.writestr(member, content.getvalue())
    return buffer.getvalue()


def write_tar(bundle: Path, target: Path) -> None:
    """Pack a bundle's folder into a ``.tar`` or ``.tar.gz`` without times and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in _sorted_files(bundle):
            member = tarfile.TarInfo(f"{bundle.name}/{path.name}")
            member.size = path.stat().st_size
            member.mode = 0o644
            with path.open("rb") as stream:
                archive.addfile(member, stream)
    content = buffer.getvalue()
    target.write_bytes(gzip.compress(content, mtime=0) if target.name.endswith("gz") else content)


def _sorted_files(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _refuse_other_content(folder: Path) -> None:
    if folder.exists() and not (folder / MANIFEST_FILE).is_file() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} holds something else than a bundle: not replaced")


def _manifest(
    release: Release,
    graphs: Mapping[str, Mapping[str, str | None]],
    outputs: Mapping[str, Mapping[str, str]],
    networks: Mapping[str, Any] | None,
    files: Mapping[str, bytes],
) -> bytes:
    standardisation = release.standardisation
    manifest = {
        "format_version": 1,
        "name": release.name,
        "version": release.version,
        "provisional": release.provisional,
        "sites": SITES,
        "classes": CLASSES,
        "features": FEATURES,
        "preprocessing_version": PREPROCESSING_VERSION,
        "preprocessing_options": asdict(release.options),
        "standardisation": {"mean": standardisation.mean.tolist(), "sd": standardisation.sd.tolist()},
        "thresholds": {**THRESHOLDS, "chosen": release.chosen_threshold},
        "calibration": None if release.calibration is None else dict(release.calibration),
        "network": networks,
        "made_of": None if release.made_of is None else dict(release.made_of),
        "training_data_sha256": release.training_data_sha256,
        "git_commit": release.git_commit,
        "metrics": dict(release.metrics),
        "graphs": graphs,
        "outputs": outputs,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    return (json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
