"""AlertFinder, the survey's search for stars that rise: simulated seasons and replays run the same."""

from __future__ import annotations

from stream_worker.alertfinder.scan import Detection, DetectionConfig, RunDate, Thresholds, scan
from stream_worker.alertfinder.star_at_runs import SUBSETS

__all__ = ["SUBSETS", "Detection", "DetectionConfig", "RunDate", "Thresholds", "scan"]
