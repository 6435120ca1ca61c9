"""Real KMTNet light curves: the files of a folder, and the part of each in which its star was quiet."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_build.realism.catalogue import CATALOGUE_FILE, Catalogue, read_catalogue
from model_build.realism.faults import BadInput
from stream_worker.ingest.pysis import HJD_RANGE, ZERO_POINT, PysisError, read_pysis
from stream_worker.preprocessing import LightCurve
from stream_worker.preprocessing.light_curve import BoolArray, FloatArray

CALIBRATED_ON: Final = ("KMT-2018-BLG-0002",)
"""Events that numbers of season.toml were fitted to; all others are kept aside as a check of them."""

QUIET_AFTER: Final = 3.0
"""A star is at its baseline so many t_E from t_0: magnified by less than 2 %."""

_PYSIS: Final = re.compile(r"KMT[ACS]\d{2}_I\.pysis$")
_MAGNITUDES: Final = re.compile(r"K(?P<site>CT|SA|SS)(?P<field>\d{2})I\.dat$")
_SITES: Final = {"CT": "CTIO", "SA": "SAAO", "SS": "SSO"}
_COLUMNS_OF_DAT: Final = (3, 4)  # HJD, mag, error, and at times a running number
_MAG_PER_RELATIVE: Final = 2.5 / math.log(10.0)
_J2000: Final = 1544.5  # HJD - 2450000


@dataclass(frozen=True, slots=True)
class Peak:
    """When an event was, HJD - 2450000, and its Einstein time in days."""

    t_0: float
    t_e: float

    def quiet(self, hjd: FloatArray) -> BoolArray:
        """Return where the event did not matter, [n]."""
        return np.asarray(np.abs(hjd - self.t_0) > QUIET_AFTER * self.t_e)


# Events that the survey's own catalogue does not name.
_OTHER_EVENTS: Final[Mapping[str, Peak]] = {
    "OGLE-2016-BLG-1195": Peak(7568.77, 9.96)  # Shvartzvald et al. 2017, ApJL 840, L3
}


@dataclass(frozen=True, slots=True, eq=False)
class RealFile:
    """One file: a star (named after its event) at one site in one field.

    Parameters
    ----------
    event, name, year
        Folder, file and season.
    i_base
        I magnitude of the star at baseline on the file's own scale (zero point 28).
    peak
        Of the event; None where nobody knows it.
    curve
        All usable rows, ascending; float64 columns.
    """

    event: str
    name: str
    year: int
    i_base: float
    peak: Peak | None
    curve: LightCurve

    @property
    def raw(self) -> bool:
        """Whether errors and outliers are the pipeline's own; published magnitudes are rescaled, cleaned."""
        return _PYSIS.match(self.name) is not None

    @property
    def quiet(self) -> LightCurve:
        """The rows at baseline; none where the peak is unknown."""
        if self.peak is None:
            return rows(self.curve, np.zeros(self.curve.hjd.size, dtype=np.bool_))
        return rows(self.curve, self.peak.quiet(self.curve.hjd))


def read_folder(folder: Path) -> tuple[RealFile, ...]:
    """Read every I-band file of a folder that has a catalogue of events and one folder per event.

    Raises
    ------
    BadInput
        If the catalogue is missing or bad, a file can't be read, or no file has quiet rows.
    """
    catalogue = read_catalogue(folder / CATALOGUE_FILE)
    files = tuple(_read_files(folder, catalogue))
    if not any(file.quiet.hjd.size for file in files):
        found = f"{len(files)} light curves, none of a star at its baseline" if files else "no light curve"
        expected = (
            f"EVENT/KMT*_I.pysis or EVENT/K*I.dat with rows {QUIET_AFTER:g} t_E away from the event's t_0"
        )
        raise BadInput(folder, "", found, expected)
    return files


def rows(curve: LightCurve, chosen: BoolArray) -> LightCurve:
    """Return the ``chosen`` rows, [n] of them."""
    columns = ("hjd", "flux", "flux_err", "sky_background", "fwhm", "airmass", "psf_quality")
    values = {name: getattr(curve, name) for name in columns}
    kept: dict[str, Any] = {name: None if v is None else v[chosen] for name, v in values.items()}
    return replace(curve, **kept)


def usable(curve: LightCurve) -> LightCurve:
    """Return the rows with a flux and a positive error; sentinels of FWHM, sky and airmass become NaN."""
    flux, error = np.asarray(curve.flux, np.float64), np.asarray(curve.flux_err, np.float64)
    chosen = np.isfinite(curve.hjd) & np.isfinite(flux) & np.isfinite(error) & (error > 0.0)
    auxiliaries: dict[str, Any] = {
        name: None
        if column is None
        else np.where(np.asarray(column) > 0.0, column, np.nan).astype(np.float64)
        for name in ("sky_background", "fwhm", "airmass")
        for column in (getattr(curve, name),)
    }
    return rows(replace(curve, flux=flux, flux_err=error, psf_quality=None, **auxiliaries), chosen)


def year_of(hjd: float) -> int:
    """Season of an HJD - 2450000."""
    return int(2000 + (hjd - _J2000) // 365.25)


def _read_files(folder: Path, catalogue: Catalogue) -> Iterator[RealFile]:
    peaks = {
        name: Peak(t_0, t_e)
        for name, t_0, t_e in zip(
            catalogue.names, catalogue.t_0.tolist(), catalogue.t_E.tolist(), strict=True
        )
    } | dict(_OTHER_EVENTS)
    for path in sorted(folder.glob("*/*")):
        found = _read(path)
        if found is None:
            continue
        event, year = path.parent.name, year_of(float(np.median(found[0].hjd)))
        yield RealFile(event, path.name, year, found[1], peaks.get(event), found[0])


def _read(path: Path) -> tuple[LightCurve, float] | None:
    """Return usable rows and baseline magnitude of a light curve, None for any other file."""
    if _PYSIS.match(path.name) is not None:
        curve, i_base = _read_pysis(path)
    elif (named := _MAGNITUDES.match(path.name)) is not None:
        curve, i_base = _read_magnitudes(path, _SITES[named["site"]], f"BLG{named['field']}")
    else:
        return None
    curve = usable(curve)
    if not curve.hjd.size:
        raise BadInput(path, "", "no usable row", "rows with a flux and a positive error")
    return curve, i_base


def _read_pysis(path: Path) -> tuple[LightCurve, float]:
    try:
        series = read_pysis(path)
    except PysisError as error:
        raise BadInput(path, error.column or "", repr(error.value), error.expected) from error
    reference = series.reference_flux[np.isfinite(series.reference_flux)]
    if not reference.size:
        raise BadInput(path, "column mag", "no number in any row", "magnitudes, from which the star's own is")
    return series.light_curve, magnitude(float(np.median(reference)))


def _read_magnitudes(path: Path, site: str, field: str) -> tuple[LightCurve, float]:
    """Read HJD, magnitude, error; the flux is turned into a difference from the median's."""
    table = np.array([_row(path, n, line) for n, line in enumerate(path.read_text("utf-8").splitlines(), 1)])
    table = table[np.argsort(table[:, 0], kind="stable")] if table.size else np.empty((0, 3))
    flux = 10.0 ** (0.4 * (ZERO_POINT - table[:, 1]))
    i_base = float(np.median(table[:, 1])) if table.size else math.nan
    curve = LightCurve(
        site=site,
        dataset=field,
        hjd=table[:, 0],
        flux=flux - 10.0 ** (0.4 * (ZERO_POINT - i_base)),
        flux_err=flux * table[:, 2] / _MAG_PER_RELATIVE,
        sky_background=None,
        fwhm=None,
        airmass=None,
        psf_quality=None,
    )
    return curve, i_base


def magnitude(flux: float) -> float:
    """Magnitude of a flux at zero point 28."""
    return ZERO_POINT - 2.5 * math.log10(flux)


def _row(path: Path, number: int, line: str) -> tuple[float, float, float]:
    words = line.split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) not in _COLUMNS_OF_DAT or not HJD_RANGE[0] <= values[0] <= HJD_RANGE[1]:
        raise BadInput(path, f"line {number}", repr(line.strip()), "HJD - 2450000, I magnitude and its error")
    return values[0], values[1], values[2]
