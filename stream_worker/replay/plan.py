"""What a replay is: archives, selection, model and rules, each pinned by a hash; and its chunks of work."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from stream_worker.archives import Archive
from stream_worker.bundle import Bundle
from stream_worker.codec import CANDIDATE
from stream_worker.preprocessing import PREPROCESSING_VERSION
from stream_worker.replay.selection import Selection
from stream_worker.settings import Settings

CHUNK: Final = 512
"""Records of a chunk: batches of similar length are cut from it, and a lost one costs seconds."""

_HASH_BLOCK: Final = 2**20
_PACKAGES: Final = ("lensnet", "numpy", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Pieces scored together: places of archive and piece, and how many records if that is known."""

    number: int
    pieces: tuple[tuple[int, int], ...]
    count: int | None


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """A replay before it runs.

    Parameters
    ----------
    pins
        All that decides the result, JSON-ready; equal pins give equal output.
    names
        Of the archives, as they stand in the output.
    """

    replay_id: str
    archives: tuple[Archive, ...]
    names: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    selection: Selection
    pins: dict[str, Any]

    @property
    def total(self) -> int | None:
        """Records of all chunks; None where only reading tells."""
        counts = [chunk.count for chunk in self.chunks]
        return None if None in counts else sum(count or 0 for count in counts)


def plan_replay(
    archives: Sequence[Archive],
    selection: Selection,
    bundle: Bundle,
    settings: Settings,
    *,
    replay_id: str | None = None,
    say: Callable[[str], None] = lambda _text: None,
) -> ReplayPlan:
    """Hash everything that decides the result and cut the work into chunks. Reads every file once.

    Raises
    ------
    OSError
        A file of an archive can't be read.
    """
    names = _names([archive.path for archive in archives])
    say(f"hashing {len(archives)} archives")
    pins: dict[str, Any] = {
        "archives": [
            {
                "name": name,
                "kind": archive.kind,
                "bytes": size,
                "sha256": sha256,
                "notices": list(archive.notices),
            }
            for name, archive, (size, sha256) in zip(names, archives, map(_hash, archives), strict=True)
        ],
        "selection": selection.as_json(),
        "schema": {
            "name": CANDIDATE.fullname,
            "version": CANDIDATE.version,
            "fingerprint": f"{CANDIDATE.fingerprint:016x}",
        },
        "model": {"name": bundle.manifest.name, "version": bundle.manifest.version, "sha256": bundle.sha256},
        "preprocessing_version": PREPROCESSING_VERSION,
        "rules": settings.rules.model_dump(mode="json"),
        "settings_hash": settings.rules.hash,
        "inference": {"provider": settings.inference.provider, "max_batch": settings.inference.max_batch},
        "chunk": CHUNK,
        "max_packet_bytes": settings.max_packet_bytes,
        "software": {package: _version(package) for package in _PACKAGES},
    }
    return ReplayPlan(
        replay_id=replay_id or f"r-{_digest(pins)[:12]}",
        archives=tuple(archives),
        names=tuple(names),
        chunks=tuple(_chunks(archives)),
        selection=selection,
        pins=pins,
    )


def _chunks(archives: Sequence[Archive]) -> list[Chunk]:
    """Consecutive pieces up to the size of a chunk, the same whoever works on them."""
    chunks: list[Chunk] = []
    pieces: list[tuple[int, int]] = []
    size = 0
    known = True

    def close() -> None:
        nonlocal pieces, size, known
        if pieces:
            chunks.append(Chunk(len(chunks), tuple(pieces), size if known else None))
        pieces, size, known = [], 0, True

    for place, archive in enumerate(archives):
        for piece in archive.pieces:
            if pieces and size + (piece.count or CHUNK) > CHUNK:
                close()
            pieces.append((place, piece.number))
            size += piece.count or 0
            known = known and piece.count is not None
            if piece.count is None:
                close()
    close()
    return chunks


def _names(paths: Sequence[Path]) -> list[str]:
    """File names, with as much of their folders as tells them apart."""
    if len({path.name for path in paths}) == len(paths):
        return [path.name for path in paths]
    absolute = [path.absolute() for path in paths]
    root = Path(os.path.commonpath(absolute))
    return [path.relative_to(root).as_posix() for path in absolute]


def _hash(archive: Archive) -> tuple[int, str]:
    """Bytes and SHA-256 of an archive's files, one after the other."""
    digest, size = hashlib.sha256(), 0
    for path in archive.files:
        with path.open("rb") as file:
            while block := file.read(_HASH_BLOCK):
                digest.update(block)
                size += len(block)
    return size, digest.hexdigest()


def _digest(pins: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(pins, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except ModuleNotFoundError:  # one of onnxruntime and onnxruntime-gpu is there
        return None
