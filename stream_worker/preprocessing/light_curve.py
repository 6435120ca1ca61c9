"""Light curves as they arrive: one value per dataset of one site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]

SITES: Final = ("CTIO", "SAAO", "SSO")
"""Site names in branch order, everywhere."""

COLUMNS: Final = ("hjd", "flux", "flux_err", "sky_background", "fwhm", "airmass", "psf_quality")
"""Columns of a light curve, in the order of the rows of every column matrix."""

AUXILIARIES: Final = COLUMNS[3:]
"""Columns that a dataset may lack."""


@dataclass(frozen=True, slots=True)
class SitePosition:
    """Geodetic position of a site: east longitude and latitude in degrees."""

    longitude: float
    latitude: float


SITE_POSITIONS: Final = {
    "CTIO": SitePosition(longitude=-70.8065, latitude=-30.167),
    "SAAO": SitePosition(longitude=20.811, latitude=-32.379),
    "SSO": SitePosition(longitude=149.062, latitude=-31.272),
}


@dataclass(frozen=True, slots=True, eq=False)
class LightCurve:
    """One dataset (one field) of one site, rows in any order, dirt included.

    Parameters
    ----------
    site : str
        One of `SITES`.
    dataset : str
        Field of the observations, e.g. ``"BLG12"``; overlapping fields are separate datasets.
    hjd : float64 [n]
        HJD - 2450000 on the UTC scale.
    flux, flux_err : float32 or float64 [n]
        Difference flux and its error at zero point 28, brightening positive.
    sky_background, fwhm, airmass, psf_quality : float32 or float64 [n], or None
        Sky level (ADU), seeing (px), sec z and reduced PSF chi-square; None means not measured.

    Raises
    ------
    ValueError
        If the site is unknown, or a column is not one-dimensional and as long as `hjd`.
    """

    site: str
    dataset: str
    hjd: FloatArray
    flux: FloatArray
    flux_err: FloatArray
    sky_background: FloatArray | None = None
    fwhm: FloatArray | None = None
    airmass: FloatArray | None = None
    psf_quality: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.site not in SITES:
            msg = f"site must be one of {', '.join(SITES)}, got {self.site!r}"
            raise ValueError(msg)
        shape = (len(self.hjd),)
        for name in COLUMNS:
            column = getattr(self, name)
            if column is not None and column.shape != shape:
                msg = (
                    f"{self.site} {self.dataset}: column {name} has shape {column.shape}, "
                    f"expected {shape} as hjd"
                )
                raise ValueError(msg)
