"""The Score record: everything that an alert will say of a candidate, except its neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stream_worker.bundle import Calibration
from stream_worker.candidate import Candidate
from stream_worker.kafka.records import SourceRecord
from stream_worker.preprocessing import Report, SiteReport
from stream_worker.preprocessing.robust import median
from stream_worker.preprocessing.rows import FLUX, HJD, read_rows
from stream_worker.rule_settings import RuleSettings
from stream_worker.sky import sexagesimal

UNIX_EPOCH_HJD = 2_440_587.5 - 2_450_000
DAY_MS = 86_400_000
ZERO_POINT = 28.0
MAX_MAGNITUDE = 100.0  # beyond it a "magnitude" is somebody's mark for an unknown one


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which bundle scored, and what it knows of events; no ``calibration``, no ``p_event``."""

    name: str
    version: str
    sha256: str
    preprocessing_version: str
    provisional: bool
    calibration: Calibration | None = None


def score_record(
    candidate: Candidate,
    report: Report,
    *,
    p_review: float,
    class_probabilities: tuple[float, float, float],
    source: SourceRecord,
    model: ModelIdentity,
    rules: RuleSettings,
    settings_hash: str,
    received_at: int,
    scored_at: int,
) -> dict[str, Any]:
    """Score record (schema score v1) without the cell fields.

    Parameters
    ----------
    class_probabilities
        Yes, Maybe, No.
    received_at, scored_at
        Milliseconds since 1970-01-01 UTC.
    """
    found = candidate.alertfinder
    hjd_last = max(site.hjd_last for site in report.sites if site.hjd_last is not None)
    # a replay looks at a candidate as of when it was made: the wall clock would call every archive stale
    seen_at = scored_at if candidate.replay_id is None else candidate.produced_at
    ra_text, dec_text = sexagesimal(candidate.ra, candidate.dec)
    yes, maybe, no = class_probabilities
    calibration = None if model.provisional else model.calibration
    return {
        "candidate_id": candidate.candidate_id,
        "t_cut": found.t_cut,
        "tense": candidate.tense.value,
        "replay_id": candidate.replay_id,
        "survey": candidate.survey,
        "star_id": candidate.star_id,
        "field": candidate.field,
        "chip": candidate.chip,
        "ra": candidate.ra,
        "dec": candidate.dec,
        "ra_sexagesimal": ra_text,
        "dec_sexagesimal": dec_text,
        "alertfinder": {
            "site": found.site,
            "dataset": found.dataset,
            "n_high": found.n_high,
            "t_break": found.t_break,
            "t_cut": found.t_cut,
            "slope": found.slope,
            "delta_chi2": found.delta_chi2,
        },
        "p_review": p_review,
        "class_probabilities": {"yes": yes, "maybe": maybe, "no": no},
        "p_event": None if calibration is None else calibration.p_event(yes),
        "base_rate": None if calibration is None else calibration.base_rate,
        "decisions": decisions(p_review, rules.thresholds),
        "settings_hash": settings_hash,
        "current_mag": current_magnitude(candidate, report),
        "baseline_mag": candidate.baseline_mag,
        "rise_slope": found.slope,
        "hjd_last": hjd_last,
        **data_age(seen_at, hjd_last, rules),
        "sites": [_site_summary(site) for site in report.sites if site.rows_in],
        "candidate_topic": source.topic,
        "candidate_partition": source.partition,
        "candidate_offset": source.offset,
        "light_curve_id": candidate.candidate_id if p_review >= rules.publish_at else None,
        "model": {
            "name": model.name,
            "version": model.version,
            "sha256": model.sha256,
            "preprocessing_version": model.preprocessing_version,
            "provisional": model.provisional,
        },
        "candidate_produced_at": candidate.produced_at,
        "received_at": received_at,
        "scored_at": scored_at,
    }


def data_age(seen_at: int, hjd_last: float, rules: RuleSettings) -> dict[str, Any]:
    """Age of the newest observation (HJD - 2450000) at a time in ms since 1970-01-01 UTC; stale or not."""
    age_days = seen_at / DAY_MS + UNIX_EPOCH_HJD - hjd_last
    return {"data_age_days": age_days, "stale": age_days > rules.stale_after_days}


def decisions(p_review: float, thresholds: Mapping[str, float]) -> list[dict[str, Any]]:
    """``p_review`` against every configured threshold, ascending."""
    return [
        {"name": name, "threshold": value, "passed": p_review >= value}
        for name, value in sorted(thresholds.items(), key=lambda item: (item[1], item[0]))
    ]


def current_magnitude(candidate: Candidate, report: Report) -> float | None:
    """I magnitude of the newest point of the triggering dataset above the catalogue baseline.

    The difference flux has an arbitrary offset, so its median before ``t_break`` stands for the
    baseline: ``28 - 2.5 log10(F_base + flux - median)``. Rows that the row rules remove, or that are
    newer than the newest row kept of the site, don't count. None without a baseline magnitude or points.
    """
    found, baseline_mag = candidate.alertfinder, candidate.baseline_mag
    hjd_last = next(site.hjd_last for site in report.sites if site.site == found.site)
    if baseline_mag is None or not abs(baseline_mag) < MAX_MAGNITUDE or hjd_last is None:
        return None
    dataset = (c for c in candidate.light_curves if (c.site, c.dataset) == (found.site, found.dataset))
    columns = read_rows(dataset, hjd_last).valid().columns
    before = columns[FLUX, columns[HJD] < found.t_break]
    if not before.size:
        return None
    total = 10 ** (0.4 * (ZERO_POINT - baseline_mag)) + float(columns[FLUX, -1]) - median(before)
    return ZERO_POINT - 2.5 * math.log10(total) if total > 0 and math.isfinite(total) else None


def _site_summary(site: SiteReport) -> dict[str, Any]:
    return {
        "site": site.site,
        "datasets": [dataset.dataset for dataset in site.datasets],
        "n_received": site.rows_in,
        "n_used": site.rows_kept,
        "removed": {rule: n for rule, n in site.removed.items() if n},
        "available": list(site.auxiliaries),
    }
