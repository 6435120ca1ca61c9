"""Thresholds and calibration that a bundle brings along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from model_build.evaluation.calibration import Calibration
from stream_worker.bundle import Manifest
from stream_worker.preprocessing.light_curve import Float64Array

CHOSEN: Final = "chosen"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds of p_review by name; ``chosen`` is the one that validation chose.

    A bundle without one has the balanced threshold in its place: ``by_validation`` is false.
    """

    of: Mapping[str, float]
    by_validation: bool

    @property
    def chosen(self) -> float:
        """The threshold that the headline figures are at."""
        return self.of[CHOSEN]


@dataclass(frozen=True, slots=True)
class EventProbability:
    """How a bundle makes p_event of p_yes, and the base rate that it was shifted to."""

    calibration: Calibration
    base_rate: float


def thresholds_of(manifest: Manifest) -> Thresholds:
    """Return a bundle's thresholds, 0.5 beside them."""
    its = manifest.thresholds
    chosen = its.chosen
    of = {
        CHOSEN: its.balanced if chosen is None else chosen,
        "balanced": its.balanced,
        "half": 0.5,
        "pure": its.pure,
    }
    return Thresholds(of, by_validation=chosen is not None)


def event_probability(manifest: Manifest) -> EventProbability | None:
    """Return a bundle's calibration; None where it has none."""
    its = manifest.calibration
    if its is None:
        return None
    return EventProbability(Calibration(its.slope, its.offset), its.base_rate)


def p_event(manifest: Manifest, p_yes: Float64Array) -> Float64Array | None:
    """Return the calibrated probability of an event [n] at the base rate; None without calibration."""
    found = event_probability(manifest)
    return None if found is None else found.calibration.of(p_yes)
