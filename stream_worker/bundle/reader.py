"""Reads a bundle, a directory or a tar of one, and verifies it."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pydantic import ValidationError

from stream_worker.bundle.golden import Golden, read_golden
from stream_worker.bundle.manifest import GOLDEN_FILE, MANIFEST_FILE, Manifest
from stream_worker.preprocessing import PreprocessingOptions, Standardisation

MAX_BUNDLE_BYTES = 256 * 2**20


class BundleError(Exception):
    """The bundle must not be used; the message lists every fault. Exit with code 2."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        self.path = path
        self.faults = tuple(faults)
        super().__init__(f"bundle {path}:\n" + "\n".join(f"  - {fault}" for fault in faults))


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A verified bundle; ``files`` are the very bytes whose hashes were checked.

    ``sha256`` identifies the bundle: the SHA-256 of the manifest, which lists that of every file.
    """

    path: Path
    manifest: Manifest
    sha256: str
    files: Mapping[str, bytes]
    golden: Golden
    standardisation: Standardisation
    options: PreprocessingOptions


def load_bundle(path: Path) -> Bundle:
    """Read and verify a bundle.

    Parameters
    ----------
    path
        A directory, or a tar (also compressed) of its files. A tar is read into memory, never
        unpacked to disk.

    Raises
    ------
    BundleError
        With every fault found: unreadable, missing, unlisted or altered files, unknown manifest
        keys, another preprocessing version or feature order, broken golden vectors.
    """
    faults: list[str] = []
    files = _read_directory(path, faults) if path.is_dir() else _read_tar(path, faults)
    manifest_bytes = files.pop(MANIFEST_FILE, None)
    if manifest_bytes is None:
        raise BundleError(path, [*faults, f"{MANIFEST_FILE} is missing"])
    raw = _parse(manifest_bytes, path)
    manifest = _validate(manifest_bytes, faults)
    faults += _hash_faults(files, raw.get("files"))
    golden = _golden(files.get(GOLDEN_FILE), faults)
    if faults or manifest is None or golden is None:
        raise BundleError(path, faults)
    return Bundle(
        path=path,
        manifest=manifest,
        sha256=hashlib.sha256(manifest_bytes).hexdigest(),
        files=files,
        golden=golden,
        standardisation=Standardisation(
            mean=np.array(manifest.standardisation.mean, np.float64),
            sd=np.array(manifest.standardisation.sd, np.float64),
        ),
        options=PreprocessingOptions(**manifest.preprocessing_options),  # type: ignore[arg-type]
    )


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(content)
    except ValueError as error:
        raise BundleError(path, [f"{MANIFEST_FILE} is not JSON: {error}"]) from error
    if not isinstance(raw, dict):
        raise BundleError(path, [f"{MANIFEST_FILE} must hold an object, got {type(raw).__name__}"])
    return raw


def _validate(content: bytes, faults: list[str]) -> Manifest | None:
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            place = ".".join(map(str, fault["loc"]))
            faults.append(f"{MANIFEST_FILE}{': ' + place if place else ''}: {fault['msg']}")
        return None


def _hash_faults(files: Mapping[str, bytes], listed: Any) -> list[str]:
    if not isinstance(listed, dict):
        return []  # the manifest's own faults say so
    faults = [f"{name} is missing" for name in sorted(listed.keys() - files.keys())]
    faults += [f"{name} is not listed in {MANIFEST_FILE}" for name in sorted(files.keys() - listed.keys())]
    for name in sorted(files.keys() & listed.keys()):
        found = hashlib.sha256(files[name]).hexdigest()
        if found != listed[name]:
            faults.append(f"{name} was altered: sha256 {found}, {MANIFEST_FILE} has {listed[name]}")
    return faults


def _golden(content: bytes | None, faults: list[str]) -> Golden | None:
    if content is None:
        return None  # reported as missing or not listed
    try:
        return read_golden(content)
    except ValueError as error:
        faults.append(f"{GOLDEN_FILE}: {error}")
        return None


def _read_directory(path: Path, faults: list[str]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    room = MAX_BUNDLE_BYTES
    for entry in sorted(path.iterdir()):
        if entry.name.startswith(".."):
            continue  # a mounted ConfigMap or Secret keeps its versions there
        if not entry.is_file():
            faults.append(f"{entry.name} is not a file")
            continue
        room -= entry.stat().st_size
        if room < 0:
            raise BundleError(path, [*faults, f"larger than {MAX_BUNDLE_BYTES} bytes"])
        files[entry.name] = entry.read_bytes()
    return files


def _read_tar(path: Path, faults: list[str]) -> dict[str, bytes]:
    try:
        with tarfile.open(path) as archive:
            members = _regular_members(archive, path, faults)
            manifests = [name for name in members if name.name == MANIFEST_FILE]
            if len(manifests) != 1:
                raise BundleError(path, [*faults, f"holds {len(manifests)} {MANIFEST_FILE}, expected 1"])
            files: dict[str, bytes] = {}
            for name, member in members.items():
                content = archive.extractfile(member)
                if name.parent != manifests[0].parent:
                    faults.append(f"{name} lies outside the bundle's folder")
                elif content is not None:
                    files[name.name] = content.read()
            return files
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BundleError(path, [f"neither a directory nor a readable tar: {error}"]) from error


def _regular_members(
    archive: tarfile.TarFile, path: Path, faults: list[str]
) -> dict[PurePosixPath, tarfile.TarInfo]:
    members: dict[PurePosixPath, tarfile.TarInfo] = {}
    room = MAX_BUNDLE_BYTES
    for member in archive:
        name = PurePosixPath(member.name)
        if member.isdir():
            continue
        if name.is_absolute() or ".." in name.parts:
            faults.append(f"{member.name} points outside the archive")
        elif not member.isreg():
            faults.append(f"{member.name} is not a regular file")
        elif name in members:
            faults.append(f"{member.name} is there twice")
        else:
            room -= member.size
            members[name] = member
        if room < 0:
            raise BundleError(path, [*faults, f"larger than {MAX_BUNDLE_BYTES} bytes"])
    return members
