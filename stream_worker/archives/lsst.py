"""Alert packets of the Vera C. Rubin Observatory (schemas lsst.vN_M.alert).

Fields: https://github.com/lsst/alert_packet. Fluxes are nanojanskys, times TAI.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from stream_worker.archives.history import JD_ZERO, ZERO_POINT, SourceHistory, unix_ms
from stream_worker.codec import BadPacket, Reason
from stream_worker.preprocessing import SitePosition

POSITION: Final = SitePosition(longitude=-70.7494, latitude=-30.2446)  # Cerro Pachon
NOTICES: Final = (
    "LSST: one branch (CTIO's) carries the band of the alert; other bands are left out",
    "LSST: airmass is computed for Cerro Pachon; seeing, sky and psf_quality count as not measured",
)
_MJD_ZERO: Final = 2_400_000.5 - JD_ZERO
_TAI_MINUS_UTC_D: Final = 37.0 / 86_400.0  # since 2017
_AB_ZERO_POINT_NJY: Final = 31.4
_NJY: Final = 10.0 ** (0.4 * (ZERO_POINT - _AB_ZERO_POINT_NJY))
_FORCED: Final = "prvDiaForcedSources"


def history_of(alert: Mapping[str, Any]) -> SourceHistory:
    """Source history of one alert, in the alert's own band.

    Raises
    ------
    BadPacket
        A field that is needed is missing.
    """
    found = alert["diaSource"]
    band, object_id = found.get("band"), found.get("diaObjectId")
    if object_id is None:
        object_id = (alert.get("diaObject") or {}).get("diaObjectId")
    if not band or object_id is None:
        raise BadPacket(
            Reason.EMPTY_FIELD,
            f"band {band!r}, diaObjectId {object_id!r}: expected both (a Solar System object?)",
        )
    rows = _history(alert, found, band)
    jd, flux, flux_err = (np.array(column) for column in zip(*rows, strict=True))
    unknown = np.full(len(rows), np.nan)
    return SourceHistory(
        survey="LSST",
        star_id=str(object_id),
        run_id=f"lsst-{found['visit']}",
        field=f"LSST{band}",
        chip=str(found["detector"]),
        x=found.get("x"),
        y=found.get("y"),
        ra=found["ra"],
        dec=found["dec"],
        baseline_mag=_template_magnitude(found),
        position=POSITION,
        jd=jd,
        jd_alert=_jd(found["midpointMjdTai"]),
        flux=flux,
        flux_err=flux_err,
        fwhm=unknown,
        sky_background=unknown,
        produced_at=unix_ms(_jd(found.get("timeProcessedMjdTai") or found["midpointMjdTai"])),
    )


def _history(
    alert: Mapping[str, Any], found: Mapping[str, Any], band: str
) -> list[tuple[float, float, float]]:
    """Forced photometry where there is any, else detections; the alert's own detection last."""
    earlier = alert.get(_FORCED) or alert.get("prvDiaSources") or ()
    rows = [
        (_jd(one["midpointMjdTai"]), one["psfFlux"] * _NJY, one["psfFluxErr"] * _NJY)
        for one in (*earlier, found)
        if one.get("band") == band and None not in (one.get("psfFlux"), one.get("psfFluxErr"))
    ]
    if not rows:
        raise BadPacket(Reason.NO_LIGHT_CURVES, f"no psfFlux in band {band}")
    return rows


def _jd(mjd_tai: float) -> float:
    return mjd_tai + _MJD_ZERO - _TAI_MINUS_UTC_D


def _template_magnitude(found: Mapping[str, Any]) -> float | None:
    flux = found.get("templateFlux")
    return None if flux is None or flux <= 0.0 else _AB_ZERO_POINT_NJY - 2.5 * math.log10(flux)
