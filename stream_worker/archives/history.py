"""From the source history of another survey's alert to a candidate: one band, one branch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from stream_worker.candidate import AlertFinderDetection, Candidate, Tense, candidate_id
from stream_worker.codec import BadPacket, Reason
from stream_worker.preprocessing import SITES, LightCurve, SitePosition, airmass, trigger
from stream_worker.preprocessing.airmass import heliocentric_delay
from stream_worker.preprocessing.light_curve import Float64Array

BRANCH: Final = SITES[0]
"""The branch that carries another survey's telescope; the network has no branch of its own for it."""

JD_ZERO: Final = 2_450_000.0
ZERO_POINT: Final = 28.0
_UNIX_EPOCH: Final = 2_440_587.5 - JD_ZERO
_DAY_MS: Final = 86_400_000.0
_MAX_FLOAT32: Final = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, eq=False)
class SourceHistory:
    """What an alert tells of one source in one band.

    Parameters
    ----------
    jd : float64 [n]
        Middle of the exposures, JD - 2450000 on the UTC scale, any order; the alert's own among them.
    jd_alert : float
        Of the alert's own exposure.
    flux, flux_err : float64 [n]
        Difference flux at zero point 28, brightening positive.
    fwhm, sky_background : float64 [n]
        NaN where not measured.
    produced_at : int
        When the packet was made, milliseconds since 1970-01-01 UTC.
    """

    survey: str
    star_id: str
    run_id: str
    field: str
    chip: str | None
    x: float | None
    y: float | None
    ra: float
    dec: float
    baseline_mag: float | None
    position: SitePosition
    jd: Float64Array
    jd_alert: float
    flux: Float64Array
    flux_err: Float64Array
    fwhm: Float64Array
    sky_background: Float64Array
    produced_at: int


def candidate_of(history: SourceHistory) -> Candidate:
    """Return the candidate, with nothing later than the alert's own exposure.

    The detection is fitted as AlertFinder would. Where too few observations can be used, it says so with
    ``n_high`` 0 and no slope, and the scoring stage will find the same.

    Raises
    ------
    BadPacket
        Position, times or fluxes are no finite numbers.
    """
    if not (0.0 <= history.ra < 360.0 and -90.0 <= history.dec <= 90.0):
        raise BadPacket(Reason.POSITION_OUT_OF_RANGE, f"position is ({history.ra}, {history.dec}) degrees")
    if not (math.isfinite(history.jd_alert) and np.isfinite(history.jd).all()):
        raise BadPacket(Reason.NOT_FINITE, "the time of an observation is no finite number")
    keep = history.jd <= history.jd_alert
    order = np.argsort(history.jd[keep], kind="stable")
    jd, flux, flux_err, fwhm, sky = (
        column[keep][order]
        for column in (history.jd, history.flux, history.flux_err, history.fwhm, history.sky_background)
    )
    hjd = jd + _delay(jd, history)
    curve = LightCurve(
        site=BRANCH,
        dataset=history.field,
        hjd=hjd,
        flux=_float32(flux),
        flux_err=_float32(flux_err),
        sky_background=_measured(sky),
        fwhm=_measured(fwhm),
        airmass=airmass(hjd, history.position, history.ra, history.dec).astype(np.float32),
        psf_quality=None,
    )
    t_cut = float(hjd[-1])
    return Candidate(
        candidate_id=candidate_id(history.survey, history.star_id, t_cut),
        survey=history.survey,
        season=datetime.fromtimestamp((t_cut - _UNIX_EPOCH) * _DAY_MS / 1000.0, tz=UTC).year,
        run_id=history.run_id,
        tense=Tense.ARCHIVAL,
        replay_id=None,
        star_id=history.star_id,
        field=history.field,
        chip=history.chip,
        x=history.x,
        y=history.y,
        ra=history.ra,
        dec=history.dec,
        baseline_mag=history.baseline_mag,
        alertfinder=_detection(curve, t_cut),
        light_curves=(curve,),
        produced_at=history.produced_at,
    )


def unix_ms(jd: float) -> int:
    """Milliseconds since 1970-01-01 UTC of JD - 2450000."""
    return round((jd - _UNIX_EPOCH) * _DAY_MS)


def _delay(jd: Float64Array, history: SourceHistory) -> Float64Array:
    alpha, delta = math.radians(history.ra), math.radians(history.dec)
    x, y, z = math.cos(delta) * math.cos(alpha), math.cos(delta) * math.sin(alpha), math.sin(delta)
    return heliocentric_delay(jd, x, y, z)


def _detection(curve: LightCurve, t_cut: float) -> AlertFinderDetection:
    found = trigger([curve], t_cut=t_cut)
    if found is None:
        return AlertFinderDetection(curve.site, curve.dataset, 0, t_cut, t_cut, 0.0, 0.0)
    return AlertFinderDetection(
        found.site, found.dataset, found.n_high, found.t_break, t_cut, found.slope, found.delta_chi2
    )


def _float32(values: Float64Array) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.where(np.abs(values) <= _MAX_FLOAT32, values, np.nan).astype(np.float32)


def _measured(values: Float64Array) -> np.ndarray[tuple[int], np.dtype[np.float32]] | None:
    return _float32(values) if np.isfinite(values).any() else None
