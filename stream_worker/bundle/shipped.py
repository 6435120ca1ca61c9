"""Where the bundle is that ships with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def shipped_bundle() -> Path:
    """Return the folder of the model bundle that is used unless another is named."""
    return Path(str(files("stream_worker"))) / "bundles" / "lensnet"
