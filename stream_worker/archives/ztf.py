"""Alert packets of the Zwicky Transient Facility (schema ztf.alert 3.x and 4.x).

Fields: https://zwickytransientfacility.github.io/ztf-avro-alert/schema.html; the forced photometry of
schema 4 (``fp_hists``) is used where it is there, and detections besides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from stream_worker.archives.history import JD_ZERO, ZERO_POINT, SourceHistory, unix_ms
from stream_worker.codec import BadPacket, Reason
from stream_worker.preprocessing import SitePosition

POSITION: Final = SitePosition(longitude=-116.863, latitude=33.356)  # Palomar, 48-inch
NOTICES: Final = (
    "ZTF: one branch (CTIO's) carries the band of the alert; other bands and upper limits are left out",
    "ZTF: airmass is computed for Palomar; psf_quality counts as not measured (chipsf grows with brightness)",
    "ZTF: sky comes from forced photometry only, seeing from detections too, in ZTF's own counts and pixels",
)
_BANDS: Final = {1: "g", 2: "r", 3: "i"}
_POSITIVE: Final = ("t", "1")
_MISSING: Final = -90_000.0  # forced photometry marks what it lacks with -99999
_SAME_EXPOSURE_D: Final = 1e-5
_NEAR_REFERENCE_ARCSEC: Final = 1.5
_MAG_TO_RELATIVE: Final = math.log(10.0) / 2.5

_Row = tuple[float, float, float, float, float]


def history_of(alert: Mapping[str, Any]) -> SourceHistory:
    """Source history of one alert, in the alert's own band.

    Raises
    ------
    BadPacket
        A field that is needed is missing.
    """
    found = alert["candidate"]
    name, band = alert.get("objectId"), _BANDS.get(found.get("fid"))
    if not name or band is None:
        raise BadPacket(
            Reason.EMPTY_FIELD,
            f"objectId {name!r}, fid {found.get('fid')!r}: expected a name and a band 1 to 3",
        )
    rows = _history(alert, found)
    jd, flux, flux_err, fwhm, sky = (np.array(column) for column in zip(*rows, strict=True))
    return SourceHistory(
        survey="ZTF",
        star_id=str(name),
        run_id=f"ztf-{found['nid']}",
        field=f"ZTF{found.get('field')}{band}",
        chip=None if found.get("rcid") is None else str(found["rcid"]),
        x=found.get("xpos"),
        y=found.get("ypos"),
        ra=found["ra"],
        dec=found["dec"],
        baseline_mag=_reference_magnitude(found),
        position=POSITION,
        jd=jd,
        jd_alert=found["jd"] - JD_ZERO,
        flux=flux,
        flux_err=flux_err,
        fwhm=fwhm,
        sky_background=sky,
        produced_at=unix_ms(found["jd"] - JD_ZERO),
    )


def _history(alert: Mapping[str, Any], found: Mapping[str, Any]) -> list[_Row]:
    """Forced photometry, and detections of exposures that it lacks."""
    rows = list(_forced(alert.get("fp_hists") or (), found["fid"]))
    for detection in (*(alert.get("prv_candidates") or ()), found):
        row = _detection(detection, found["fid"])
        if row is not None and all(abs(row[0] - one[0]) > _SAME_EXPOSURE_D for one in rows):
            rows.append(row)
    if not rows:
        raise BadPacket(Reason.NO_LIGHT_CURVES, "no detection in the band of the alert, nor its own")
    return rows


def _forced(entries: Any, band: int) -> Iterator[_Row]:
    for one in entries:
        flux, error, zero_point = (
            one.get(name) for name in ("forcediffimflux", "forcediffimfluxunc", "magzpsci")
        )
        if one.get("fid") != band or None in (flux, error, zero_point) or flux < _MISSING or error <= 0.0:
            continue
        scale = 10.0 ** (0.4 * (ZERO_POINT - zero_point))
        yield (
            one["jd"] - JD_ZERO,
            flux * scale,
            error * scale,
            _or_nan(one.get("sciinpseeing")),
            _or_nan(one.get("scibckgnd")),
        )


def _detection(one: Mapping[str, Any], band: int) -> _Row | None:
    magnitude, error = one.get("magpsf"), one.get("sigmapsf")
    if one.get("fid") != band or magnitude is None or error is None:
        return None  # another band, or an upper limit
    flux = 10.0 ** (0.4 * (ZERO_POINT - magnitude))
    sign = 1.0 if str(one.get("isdiffpos")) in _POSITIVE else -1.0
    return (
        one["jd"] - JD_ZERO,
        sign * flux,
        flux * error * _MAG_TO_RELATIVE,
        _or_nan(one.get("fwhm")),
        math.nan,
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None or value < 0.0 else value


def _reference_magnitude(found: Mapping[str, Any]) -> float | None:
    """Magnitude of the nearest source of the reference image, where it is the same."""
    distance, magnitude = found.get("distnr"), found.get("magnr")
    if distance is None or magnitude is None or not 0.0 <= distance <= _NEAR_REFERENCE_ARCSEC:
        return None
    return float(magnitude) if magnitude > 0.0 else None
