"""The folder of a training set: it appears whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_build.training_set.arrays import MANIFEST_FILE, VERSION_NAME


class FolderInUse(Exception):
    """The folder to write exists already."""


def refuse_used(out: Path, *, overwrite: bool) -> None:
    """Accept a folder that is not there, is empty, or holds a training set to overwrite.

    Raises
    ------
    FolderInUse
        If it can't be taken.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not _holds_training_set(out):
        raise FolderInUse(f"{out} exists and holds no training set: choose another folder")
    if not overwrite:
        raise FolderInUse(f"{out} already holds a training set: choose another folder or add --overwrite")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a folder beside ``out`` that takes its place once the block ends well, and else vanishes."""
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    new, old = scratch / "new", scratch / "old"
    try:
        new.mkdir()
        yield new
        if out.exists():
            out.replace(old)
        new.replace(out)
    finally:
        if old.exists() and not out.exists():  # interrupted between the two
            old.replace(out)
        shutil.rmtree(scratch, ignore_errors=True)


def _holds_training_set(folder: Path) -> bool:
    """Of any version; a model bundle has a manifest, too."""
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        return False
    return isinstance(manifest, dict) and VERSION_NAME in manifest
