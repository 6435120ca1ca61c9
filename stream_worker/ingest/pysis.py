"""KMTNet pySIS light-curve files, read as the survey publishes them.

One file is one dataset: ``KMTC14_I.pysis`` is CTIO, field BLG14, I band. Columns are HJD, difference
flux (reference - image, so brightening is negative), its error, mag, mag_err, fwhm (px), sky and secz;
older files end after mag_err, V-band files have no magnitudes. The fwhm of a bad image is -1: it is kept,
for AlertFinder and the preprocessing to mask such rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from stream_worker.preprocessing import LightCurve

COLUMNS = ("hjd", "delta_flux", "flux_err", "mag", "mag_err", "fwhm", "sky", "secz")
REQUIRED = ("hjd", "delta_flux", "flux_err")
COLUMNS_BY_COUNT: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {8: COLUMNS, 6: (*REQUIRED, "fwhm", "sky", "secz"), 5: COLUMNS[:5]}
)
HJD_ZERO = 2_450_000
HJD_RANGE = (5_000.0, 20_000.0)  # 2009-2050: a Modified or a truncated Julian Date falls outside
ZERO_POINT = 28.0

_SITES = MappingProxyType({"A": "SSO", "C": "CTIO", "S": "SAAO"})
_NAME = re.compile(r"KMT(?P<site>[ACS])(?P<field>\d{2})_(?P<band>[IV])(?:\.|$)")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NOT_MEASURED = re.compile(r"[+-]?nan|[+-]?inf(?:inity)?|_+|-+", re.IGNORECASE)
_LARGEST = float(np.finfo(np.float32).max)
_HJD_WANTED = f"HJD, or HJD - 2450000 within {HJD_RANGE[0]:.0f}..{HJD_RANGE[1]:.0f}"
_NUMBER_WANTED = "a number that a 32-bit float holds, or nan, inf or ___ where it was not measured"
_SHOWN = 60  # characters of a bad value that go into a message


class PysisError(ValueError):
    """A pySIS file that can't be read: where, which value, and what was expected there.

    ``line`` counts from 1; ``line`` and ``column`` are None where the fault is the file's own.
    """

    def __init__(self, path: Path, line: int | None, column: str | None, value: str, expected: str) -> None:
        self.path = path
        self.line = line
        self.column = column
        self.value = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
        self.expected = expected
        where = f"{path}" + (f", line {line}" if line is not None else "")
        where += f", column {column}" if column is not None else ""
        super().__init__(f"{where}: {self.value!r}: expected {expected}")


@dataclass(frozen=True, slots=True)
class PysisName:
    """What a file's name says: ``site`` (CTIO, SAAO, SSO), ``field`` (e.g. BLG14), ``band`` (I, V)."""

    site: str
    field: str
    band: str


@dataclass(frozen=True, slots=True)
class PysisSeries:
    """One parsed file.

    ``light_curve`` is ascending in time with brightening positive. ``reference_flux`` (float64 [n]) is
    the flux of the reference image, the catalogue flux of the star, as each row's magnitude gives it;
    NaN where it gives none.
    """

    path: Path
    name: PysisName
    light_curve: LightCurve
    reference_flux: NDArray[np.float64]


def parse_name(path: Path) -> PysisName:
    """Site, field and band of ``KMT{A,C,S}ff_{I,V}.pysis``; raises PysisError for any other name."""
    match = _NAME.match(path.name)
    if match is None:
        raise PysisError(path, None, "file name", path.name, "KMT{A,C,S}ff_{I,V}.pysis, e.g. KMTC14_I.pysis")
    return PysisName(site=_SITES[match["site"]], field=f"BLG{match['field']}", band=match["band"])


def parse_hjd(text: str) -> float | None:
    """HJD - 2450000, whether the file carries the 2450000 or not; None where it is neither."""
    if _NUMBER.fullmatch(text) is None:
        return None
    value = Decimal(text)  # exact: both ways of writing a time give the same float
    reduced = float(value - HJD_ZERO if value > HJD_ZERO else value)
    return reduced if HJD_RANGE[0] <= reduced <= HJD_RANGE[1] else None


def read_pysis(path: Path) -> PysisSeries:
    """Read and parse one file; raises PysisError for the first fault found."""
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise PysisError(path, None, None, error.strerror or str(error), "a readable file") from error
    return parse_pysis(text, path)


def parse_pysis(text: str, path: Path) -> PysisSeries:
    """Parse the text of a file.

    Parameters
    ----------
    text
        Whole content. Blank lines, comments and either line ending are accepted. A header names the
        columns and their order; without one the number of columns decides (8, 6 or 5).
    path
        Names the dataset and stands in errors.

    Raises
    ------
    PysisError
        For a value that is neither a number nor a mark of "not measured" (``nan``, ``inf``, ``___``),
        an HJD that isn't one, a row of the wrong length, a header without a needed column, or a file
        with neither header nor rows.
    """
    name = parse_name(path)
    table, seen_header = _read_table(text, path)
    if not len(table) and not seen_header:
        raise PysisError(path, None, None, text.strip(), "a header or rows of " + " ".join(COLUMNS))
    column = dict(zip(COLUMNS, table[np.argsort(table[:, 0], kind="stable")].T, strict=True))
    light_curve = LightCurve(
        site=name.site,
        dataset=name.field,
        hjd=column["hjd"].copy(),
        flux=(-column["delta_flux"]).astype(np.float32),
        flux_err=column["flux_err"].astype(np.float32),
        sky_background=_measured(column["sky"]),
        fwhm=_measured(column["fwhm"]) if (column["fwhm"] > 0.0).any() else None,
        airmass=_measured(column["secz"]),
        psf_quality=None,
    )
    return PysisSeries(path, name, light_curve, _reference_flux(column["delta_flux"], column["mag"]))


def _read_table(text: str, path: Path) -> tuple[NDArray[np.float64], bool]:
    """Rows as float64 [n, 8] in the order of COLUMNS (absent = NaN), and whether a header was seen."""
    columns: tuple[str, ...] | None = None
    seen_header = False
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        comment = line.lstrip().startswith("#")
        words = line.replace("#", " ", 1).split()
        if not words:
            continue
        header = _header(words)
        if header is not None:
            columns, seen_header = _checked_header(header, path, number, line), True
        elif not comment:  # surveys comment bad rows out
            if columns is None:
                columns = _columns_by_count(words, path, number, line)
            rows.append(_row(words, columns, path, number, line))
    return np.array(rows, dtype=np.float64).reshape(-1, len(COLUMNS)), seen_header


def _header(words: list[str]) -> list[str] | None:
    names = [word.lstrip("\\").lower() for word in words]
    return names if names[0].startswith("hjd") else None


def _checked_header(names: list[str], path: Path, number: int, line: str) -> tuple[str, ...]:
    columns = tuple("hjd" if name.startswith("hjd") else name for name in names)
    for needed in REQUIRED:
        if columns.count(needed) != 1:
            raise PysisError(path, number, needed, line.strip(), f"a header that names {needed} once")
    return columns


def _columns_by_count(words: list[str], path: Path, number: int, line: str) -> tuple[str, ...]:
    try:
        return COLUMNS_BY_COUNT[len(words)]
    except KeyError:
        expected = f"a header, or a row of {' or '.join(map(str, sorted(COLUMNS_BY_COUNT)))} columns"
        raise PysisError(path, number, "row", line.strip(), expected) from None


def _row(words: list[str], columns: tuple[str, ...], path: Path, number: int, line: str) -> list[float]:
    if len(words) != len(columns):
        raise PysisError(path, number, "row", line.strip(), f"{len(columns)} columns: {' '.join(columns)}")
    values = dict.fromkeys(COLUMNS, math.nan)
    for column, word in zip(columns, words, strict=True):
        if column not in values:
            continue
        value = parse_hjd(word) if column == "hjd" else _measurement(word)
        if value is None:
            raise PysisError(path, number, column, word, _HJD_WANTED if column == "hjd" else _NUMBER_WANTED)
        values[column] = value
    return list(values.values())


def _measurement(word: str) -> float | None:
    """Return a number, NaN for a mark of "not measured", None for anything else."""
    if _NUMBER.fullmatch(word) is not None:
        value = float(word)
        return value if abs(value) <= _LARGEST else None
    return math.nan if _NOT_MEASURED.fullmatch(word) is not None else None


def _measured(values: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """Return the column as float32, or None where no row was measured."""
    return None if not np.isfinite(values).any() else values.astype(np.float32)


def _reference_flux(delta_flux: NDArray[np.float64], mag: NDArray[np.float64]) -> NDArray[np.float64]:
    """F_reference of mag = 28 - 2.5 log10(F_reference - delta_flux); NaN where a row has no magnitude."""
    with np.errstate(over="ignore"):
        flux = 10.0 ** (0.4 * (ZERO_POINT - mag)) + delta_flux
    return np.where(np.isfinite(flux), flux, np.nan)
