"""The model bundle: what a worker needs to score, verified before use."""

from __future__ import annotations

from stream_worker.bundle.golden import Golden, GoldenCandidate
from stream_worker.bundle.manifest import BRANCHES, CLASSES, HEADS, Calibration, Manifest, length_input
from stream_worker.bundle.reader import Bundle, BundleError, load_bundle

__all__ = [
    "BRANCHES",
    "CLASSES",
    "HEADS",
    "Bundle",
    "BundleError",
    "Calibration",
    "Golden",
    "GoldenCandidate",
    "Manifest",
    "length_input",
    "load_bundle",
]
