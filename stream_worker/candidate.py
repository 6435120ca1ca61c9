"""The candidate: one star whose light curve began to rise, as the worker sees it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum

from stream_worker.preprocessing import LightCurve

_CANDIDATE_NAMESPACE = uuid.UUID("6f0d3c56-6f5c-5a6e-9f0a-3d1c0e7c2b11")


class Tense(StrEnum):
    """Whether a packet is live, from an archive, or a test."""

    CURRENT = "CURRENT"
    ARCHIVAL = "ARCHIVAL"
    TEST = "TEST"


@dataclass(frozen=True, slots=True)
class AlertFinderDetection:
    """What AlertFinder found (broken line, Viaña et al. 2025, Eq. 1).

    Times are HJD - 2450000; ``slope`` is flux per day at zero point 28.
    """

    site: str
    dataset: str
    n_high: int
    t_break: float
    t_cut: float
    slope: float
    delta_chi2: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One AlertFinder candidate with its light curves up to ``t_cut`` (schema candidate v1).

    ``ra`` and ``dec`` are degrees (ICRS), ``x`` and ``y`` pixels on the chip, ``baseline_mag`` the
    catalogue I magnitude, ``produced_at`` milliseconds since 1970-01-01 UTC.
    """

    candidate_id: str
    survey: str
    season: int
    run_id: str
    tense: Tense
    replay_id: str | None
    star_id: str
    field: str
    chip: str | None
    x: float | None
    y: float | None
    ra: float
    dec: float
    baseline_mag: float | None
    alertfinder: AlertFinderDetection
    light_curves: tuple[LightCurve, ...]
    produced_at: int


def candidate_id(survey: str, star_id: str, t_cut: float) -> str:
    """Deterministic id of a candidate: UUIDv5 of survey, star and ``t_cut`` with five decimals."""
    return str(uuid.uuid5(_CANDIDATE_NAMESPACE, f"{survey}/{star_id}/{t_cut:.5f}"))
