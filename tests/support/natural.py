"""Small streams with more events than the survey has, passed off as natural ones."""

from __future__ import annotations

import json
from pathlib import Path

from model_build.season.summary import SUMMARY_FILE


def as_natural(archive: Path) -> Path:
    """Say in an archive's summary that its events are as rare as the survey's."""
    path = archive / SUMMARY_FILE
    summary = json.loads(path.read_text())
    path.write_text(json.dumps(summary | {"scale_events": summary["scale_false"]}))
    return archive
