"""The bundle that the settings name, and no other where they pin its hash."""

from __future__ import annotations

from pathlib import Path

from stream_worker.bundle import Bundle, BundleError, load_bundle
from stream_worker.settings import Settings


def named_bundle(settings: Settings) -> Bundle:
    """Read and verify the bundle that the settings name.

    Raises
    ------
    BundleError
        It cannot be used, or is not the one of ``bundle_sha256``.
    """
    bundle = load_bundle(settings.bundle)
    if settings.bundle_sha256 not in {None, bundle.sha256}:
        fault = (
            f"its manifest.json has the SHA-256 {bundle.sha256}, bundle_sha256 asks for"
            f" {settings.bundle_sha256}"
        )
        raise BundleError(bundle.path, [fault])
    return bundle


def with_bundle(settings: Settings, path: Path) -> Settings:
    """Settings that name another bundle, and its hash: theirs is that of their own.

    Raises
    ------
    BundleError
        It cannot be used.
    """
    return settings.model_copy(update={"bundle": path, "bundle_sha256": load_bundle(path).sha256})
