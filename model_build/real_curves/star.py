"""A real star: its light curves in the survey's units, and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from model_build.realism.real_files import Peak
from stream_worker.ingest.pysis import HJD_ZERO, ZERO_POINT
from stream_worker.preprocessing import SITE_POSITIONS, LightCurve
from stream_worker.preprocessing.light_curve import FloatArray

FED_AS: Final = "CTIO"
"""Site that stands for every other telescope: Las Campanas and La Silla are on its longitude."""

PIXEL_ARCSEC: Final = 0.40
"""Of the survey's cameras."""

_MAG_PER_RELATIVE: Final = 2.5 / math.log(10.0)
_J2000: Final = 51_545.0 - (HJD_ZERO - 2_400_000)  # HJD - 2450000
_GMST_AT_J2000: Final = 280.46061837  # degrees
_DEGREES_PER_DAY: Final = 360.98564736629


@dataclass(frozen=True, slots=True, eq=False)
class RealStar:
    """One star.

    Parameters
    ----------
    group, name
        E.g. "OGLE-IV 2025" and "blg-0019".
    ra, dec
        Degrees (ICRS); those of its field or its nights where nobody gives the star's.
    cadence
        Exposures per hour of its densest field: decides AlertFinder's thresholds.
    curves
        Its datasets, ascending in time.
    is_event
        Whether it is a microlensing event.
    peak
        Of an event; None where nobody knows it.
    """

    group: str
    name: str
    ra: float
    dec: float
    cadence: float
    curves: tuple[LightCurve, ...]
    is_event: bool
    peak: Peak | None = None


def from_magnitudes(
    name: str,
    columns: Mapping[str, FloatArray],
    *,
    to_median: float | None = None,
    fwhm: FloatArray | None = None,
    sky: FloatArray | None = None,
) -> LightCurve:
    """Return magnitudes as difference flux at zero point 28, at `FED_AS`.

    Rows without a finite time, magnitude or positive error are left out. The zero of the flux is the
    median: neither AlertFinder nor the network feels it.

    Parameters
    ----------
    name
        Of the dataset.
    columns
        hjd (HJD - 2450000), mag and mag_err, float64 [n], in any order.
    to_median
        Magnitude that the median is shifted to; as they are if None. Only AlertFinder's mask of large
        flux errors depends on it.
    fwhm, sky
        Seeing in the survey's pixels and sky level [n]; None: not measured.
    """
    hjd, mag, mag_err = columns["hjd"], columns["mag"], columns["mag_err"]
    usable = np.isfinite(hjd) & np.isfinite(mag) & np.isfinite(mag_err) & (mag_err > 0.0)
    order = np.flatnonzero(usable)[np.argsort(hjd[usable], kind="stable")]
    mag = mag[order]
    middle = float(np.median(mag)) if mag.size else 0.0
    shift = 0.0 if to_median is None else to_median - middle
    flux = 10.0 ** (0.4 * (ZERO_POINT - mag - shift))
    auxiliaries: dict[str, Any] = {
        key: None if column is None else np.where(column[order] > 0.0, column[order], np.nan)
        for key, column in (("fwhm", fwhm), ("sky_background", sky))
    }
    return LightCurve(
        site=FED_AS,
        dataset=name,
        hjd=hjd[order],
        flux=flux - 10.0 ** (0.4 * (ZERO_POINT - middle - shift)),
        flux_err=flux * mag_err[order] / _MAG_PER_RELATIVE,
        **auxiliaries,
    )


def exposures_per_hour(curve: LightCurve, night_hours: float = 8.0) -> float:
    """Return the exposures of a median night with any, over the hours of a night; 0 without exposures."""
    if not curve.hjd.size:
        return 0.0
    site = SITE_POSITIONS[curve.site]
    nights = np.floor(curve.hjd + site.longitude / 360.0)  # HJD begins at noon in Greenwich
    return float(np.median(np.unique(nights, return_counts=True)[1])) / night_hours


def position_by_nights(curves: Iterable[LightCurve]) -> tuple[float, float]:
    """Return where a star is that passes the zenith of `FED_AS` in the middle of its own observations.

    For stars of which nobody gives the position: their computed airmass is then that of a star observed
    around its culmination.
    """
    site = SITE_POSITIONS[FED_AS]
    hjd = np.concatenate([curve.hjd for curve in curves])
    turn = np.radians(_GMST_AT_J2000 + _DEGREES_PER_DAY * (hjd - _J2000) + site.longitude)
    return float(np.degrees(np.angle(np.exp(1j * turn).sum())) % 360.0), site.latitude
