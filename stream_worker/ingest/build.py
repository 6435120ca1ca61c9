"""A candidate from the parsed files of one star."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from stream_worker.candidate import AlertFinderDetection, Candidate, Tense, candidate_id
from stream_worker.codec import MAX_LIGHT_CURVES
from stream_worker.ingest.pysis import HJD_ZERO, ZERO_POINT, PysisSeries
from stream_worker.preprocessing import AUXILIARIES, LightCurve, Trigger, trigger

_UNIX_EPOCH_JD = 2_440_587.5
_MS_PER_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Star:
    """The star that the files are of; ``ra`` and ``dec`` in degrees (ICRS)."""

    star_id: str
    ra: float
    dec: float
    survey: str = "KMTNet"


class NoCandidate(Exception):
    """The observations up to t_cut do not make a candidate: too few, or nothing rises."""


def newest_hjd(series: Sequence[PysisSeries]) -> float:
    """HJD - 2450000 of the newest observation in any of the files."""
    newest = [float(one.light_curve.hjd[-1]) for one in series if one.light_curve.hjd.size]
    if not newest:
        raise NoCandidate("the files hold no I-band observation")
    return max(newest)


def build_candidate(
    star: Star, series: Sequence[PysisSeries], *, t_cut: float, tense: Tense, produced_at: int
) -> Candidate:
    """Fit the rise as of ``t_cut`` and return the candidate, without any later observation.

    Parameters
    ----------
    star
        Whose files these are.
    series
        Parsed files, one per dataset; they stay apart in the packet.
    t_cut
        HJD - 2450000.
    tense
        Live, archival or a test.
    produced_at
        Now, in milliseconds since 1970-01-01 UTC; t_cut may not be later.

    Raises
    ------
    NoCandidate
        If no observation is left, no site has enough for a fit, nothing rises, t_cut is in the future, or
        there are more datasets than a packet may hold.
    """
    cut_ms = (t_cut + HJD_ZERO - _UNIX_EPOCH_JD) * _MS_PER_DAY
    if cut_ms > produced_at:
        raise NoCandidate(f"t_cut {t_cut:.5f} (HJD - 2450000) is in the future")
    light_curves = tuple(cut for one in series if (cut := until(one.light_curve, t_cut)).hjd.size)
    detection = _detect(light_curves, t_cut)
    return Candidate(
        candidate_id=candidate_id(star.survey, star.star_id, t_cut),
        survey=star.survey,
        season=datetime.fromtimestamp(cut_ms / 1000.0, tz=UTC).year,
        run_id=f"pysis-{t_cut:.5f}",
        tense=tense,
        replay_id=None,
        star_id=star.star_id,
        field=detection.dataset,
        chip=None,
        x=None,
        y=None,
        ra=star.ra,
        dec=star.dec,
        baseline_mag=baseline_mag(series, detection.site, detection.dataset, detection.t_cut),
        alertfinder=AlertFinderDetection(
            site=detection.site,
            dataset=detection.dataset,
            n_high=detection.n_high,
            t_break=detection.t_break,
            t_cut=detection.t_cut,
            slope=detection.slope,
            delta_chi2=detection.delta_chi2,
        ),
        light_curves=light_curves,
        produced_at=produced_at,
    )


def until(light_curve: LightCurve, t_cut: float) -> LightCurve:
    """Return the observations at or before ``t_cut``; a column measured at none of them becomes None."""
    n = int(np.searchsorted(light_curve.hjd, t_cut, side="right"))
    auxiliaries = {}
    for name in AUXILIARIES:
        column = getattr(light_curve, name)
        measured = column is not None and np.isfinite(column[:n]).any()
        auxiliaries[name] = column[:n] if measured else None
    return LightCurve(
        site=light_curve.site,
        dataset=light_curve.dataset,
        hjd=light_curve.hjd[:n],
        flux=light_curve.flux[:n],
        flux_err=light_curve.flux_err[:n],
        **auxiliaries,
    )


def _detect(light_curves: Sequence[LightCurve], t_cut: float) -> Trigger:
    if not light_curves:
        raise NoCandidate(f"no observation at or before t_cut {t_cut:.5f} (HJD - 2450000)")
    if len(light_curves) > MAX_LIGHT_CURVES:
        raise NoCandidate(
            f"{len(light_curves)} datasets have observations up to t_cut {t_cut:.5f}: "
            f"a packet holds at most {MAX_LIGHT_CURVES}"
        )
    detection = trigger(light_curves, t_cut=t_cut)
    if detection is None:
        counts = ", ".join(f"{lc.site} {lc.dataset}: {lc.hjd.size}" for lc in light_curves)
        raise NoCandidate(f"no site has three usable observations up to t_cut {t_cut:.5f} (rows: {counts})")
    if detection.slope <= 0.0:
        raise NoCandidate(
            f"nothing rises up to t_cut {t_cut:.5f}: the best broken line, at {detection.site}, has slope "
            f"{detection.slope:g} flux per day"
        )
    return detection


def baseline_mag(series: Sequence[PysisSeries], site: str, dataset: str, t_cut: float) -> float | None:
    """Magnitude of the reference image of one dataset, from its rows up to ``t_cut``; None if unknown."""
    for one in series:
        curve = one.light_curve
        if (curve.site, curve.dataset) == (site, dataset):
            flux = one.reference_flux[curve.hjd <= t_cut]
            flux = flux[np.isfinite(flux)]
            middle = float(np.median(flux)) if flux.size else 0.0
            return ZERO_POINT - 2.5 * math.log10(middle) if middle > 0.0 else None
    return None
