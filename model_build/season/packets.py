"""A detection becomes the candidate packet that the stream would carry: nothing of the hidden truth in it."""

from __future__ import annotations

import numpy as np

from model_build.season.stars import Star
from stream_worker.alertfinder import Detection
from stream_worker.candidate import AlertFinderDetection, Candidate, Tense, candidate_id
from stream_worker.preprocessing import LightCurve
from stream_worker.preprocessing.light_curve import FloatArray

SURVEY = "KMTNet"
_UNIX_EPOCH = 2_440_587.5 - 2_450_000  # HJD - 2450000
_DAY_MS = 86_400_000
_AFTER_RUN_MS = 3_600_000  # AlertFinder's lists come about an hour after the run's time


def candidate(star: Star, detection: Detection, curves: tuple[LightCurve, ...], season: int) -> Candidate:
    """The candidate of one detection, with no observation after its run.

    Parameters
    ----------
    curves
        The star's light curves of the whole season, rows ascending in time.
    """
    found = detection
    return Candidate(
        candidate_id=candidate_id(SURVEY, star.star_id, found.t_cut),
        survey=SURVEY,
        season=season,
        run_id=found.run_id,
        tense=Tense.TEST,
        replay_id=None,
        star_id=star.star_id,
        field=star.field,
        chip=star.chip,
        x=float(np.float32(star.x)),
        y=float(np.float32(star.y)),
        ra=star.ra,
        dec=star.dec,
        baseline_mag=float(np.float32(star.i_base)),
        alertfinder=AlertFinderDetection(
            site=found.site,
            dataset=found.dataset,
            n_high=found.n_high,
            t_break=found.t_break,
            t_cut=found.t_cut,
            slope=found.slope,
            delta_chi2=found.delta_chi2,
        ),
        light_curves=tuple(_until(curve, found.t_cut) for curve in curves),
        produced_at=round((found.t_cut - _UNIX_EPOCH) * _DAY_MS) + _AFTER_RUN_MS,
    )


def _until(curve: LightCurve, t_cut: float) -> LightCurve:
    n = int(np.searchsorted(curve.hjd, t_cut, side="right"))

    def cut(column: FloatArray | None) -> FloatArray | None:
        return None if column is None else column[:n]

    return LightCurve(
        site=curve.site,
        dataset=curve.dataset,
        hjd=curve.hjd[:n],
        flux=curve.flux[:n],
        flux_err=curve.flux_err[:n],
        sky_background=cut(curve.sky_background),
        fwhm=cut(curve.fwhm),
        airmass=cut(curve.airmass),
        psf_quality=cut(curve.psf_quality),
    )
