"""Readers of real stars that are no microlensing events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from model_build.real_curves.star import RealStar, exposures_per_hour, from_magnitudes, position_by_nights
from model_build.real_curves.tables import number, read_columns, read_table, reduced
from model_build.realism.faults import BadInput
from stream_worker.ingest.pysis import HJD_ZERO
from stream_worker.preprocessing import LightCurve
from stream_worker.preprocessing.light_curve import Float64Array

SHIFTED_TO: Final = 19.0
"""Median magnitude that stars of other bands, galaxies and depths are shifted to: the survey's middle."""

_EROS_TYPES: Final[Mapping[int, str]] = {
    1: "EROS-1 binaries",
    2: "EROS-1 Cepheids",
    3: "EROS-1 RR Lyrae",
    4: "EROS-1 Miras",
}
_EROS_ZERO: Final = 2_447_891.5 - HJD_ZERO  # day 1 as 1990 January 1.0; only the airmass depends on it
_MJD_ZERO: Final = 2_400_000.5 - HJD_ZERO
_POSITION: Final = ("asc_d", "asc_m", "asc_s", "dec_d", "dec_m", "dec_s")  # "asc_d" are hours
_SERIES: Final = ("time_points_r", "light_points_r", "error_points_r")


def read_eros(folder: Path) -> Iterator[RealStar]:
    """Read EROS-1 variables of the Large Magellanic Cloud, red band, shifted to `SHIFTED_TO`.

    Raises
    ------
    BadInput
        If a file is missing or wrong.
    """
    catalogue, series = folder / "train.csv", folder / "train_varlength_features.csv.gz"
    known = {_first(row): row for row in read_table(catalogue, ("type", *_POSITION))}
    for row in read_table(series, _SERIES):
        name = _first(row)
        if name not in known:
            raise BadInput(catalogue, "first column", f"no {name}", f"the star of a row of {series.name}")
        its = known[name]
        kind = number(catalogue, f"star {name}, column type", its["type"])
        if kind not in _EROS_TYPES:
            raise BadInput(catalogue, f"star {name}, column type", its["type"], f"one of {list(_EROS_TYPES)}")
        time, mag, error = (_list(series, name, column, row[column]) for column in _SERIES)
        if not time.size == mag.size == error.size:
            raise BadInput(series, f"star {name}", f"{time.size} times, {mag.size} magnitudes", "as many")
        columns = {"hjd": time + _EROS_ZERO, "mag": mag, "mag_err": error}
        curve = from_magnitudes("EROS-1", columns, to_median=SHIFTED_TO)
        ra, dec = _position(catalogue, name, its)
        yield RealStar(
            _EROS_TYPES[int(kind)], name, ra, dec, exposures_per_hour(curve), (curve,), is_event=False
        )


def read_rr_lyrae(folder: Path) -> Iterator[RealStar]:
    """Read SDSS Stripe 82 RR Lyrae, i band, shifted to `SHIFTED_TO`; raises BadInput."""
    yield from _read_bands(folder, "SDSS RR Lyrae", frozenset({"i"}))


def read_supernovae(folder: Path) -> Iterator[RealStar]:
    """Read ZTF type Ia supernovae, r band (in some files "R"), shifted to `SHIFTED_TO`; raises BadInput."""
    yield from _read_bands(folder, "ZTF SN Ia", frozenset({"r", "R"}))


def read_ogle_variables(folder: Path) -> Iterator[RealStar]:
    """Read OGLE variables of one season, I band, type unknown; raises BadInput."""
    for path in sorted(folder.glob("*.dat")):
        columns = read_columns(path, ("hjd", "mag", "mag_err"))
        curve = from_magnitudes("OGLE-II", {**columns, "hjd": reduced(columns["hjd"])})
        yield _without_position("OGLE variables", path.stem, curve)


def _read_bands(folder: Path, group: str, bands: frozenset[str]) -> Iterator[RealStar]:
    names = ("time", "mag", "magerr")
    for path in sorted(folder.glob("*.csv")):
        rows = [row for row in read_table(path, (*names, "band")) if row["band"] in bands]
        hjd, mag, mag_err = (
            np.array([number(path, f"column {name}", row[name]) for row in rows]) for name in names
        )
        columns = {"hjd": hjd + _MJD_ZERO, "mag": mag, "mag_err": mag_err}
        yield _without_position(group, path.stem, from_magnitudes(group, columns, to_median=SHIFTED_TO))


def _without_position(group: str, name: str, curve: LightCurve) -> RealStar:
    ra, dec = position_by_nights((curve,))
    return RealStar(group, name, ra, dec, exposures_per_hour(curve), (curve,), is_event=False)


def _first(row: Mapping[str, str]) -> str:
    """Return the value of the first column, which has no name of its own."""
    return next(iter(row.values()))


def _list(path: Path, star: str, column: str, text: str) -> Float64Array:
    try:
        return np.array(json.loads(text), dtype=np.float64).reshape(-1)
    except (ValueError, TypeError):
        raise BadInput(path, f"star {star}, column {column}", repr(text[:40]), "a list of numbers") from None


def _position(path: Path, star: str, row: Mapping[str, str]) -> tuple[float, float]:
    hours, minutes, seconds, degrees, arc_minutes, arc_seconds = (
        number(path, f"star {star}, column {name}", row[name]) for name in _POSITION
    )
    dec = abs(degrees) + arc_minutes / 60.0 + arc_seconds / 3600.0
    sign = -1.0 if row["dec_d"].lstrip().startswith("-") else 1.0
    return 15.0 * (hours + minutes / 60.0 + seconds / 3600.0), sign * dec
