"""Readers of real microlensing events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from model_build.real_curves.pspl import fit_pspl
from model_build.real_curves.star import PIXEL_ARCSEC, RealStar, exposures_per_hour, from_magnitudes
from model_build.real_curves.tables import number, read_columns, read_table, reduced
from model_build.realism.faults import BadInput
from model_build.realism.real_files import Peak, read_folder
from model_build.season.config import FieldConfig
from stream_worker.ingest.coordinates import parse_dec, parse_ra
from stream_worker.ingest.pysis import HJD_ZERO
from stream_worker.preprocessing import LightCurve

_OGLE_IV_PIXEL_ARCSEC: Final = 0.26
_BULGE: Final = (268.0, -29.0)  # of the OGLE-II fields, degrees: airmass right to a few per cent
_PARAMETERS: Final = ("event", "RA", "Dec", "Tmax", "tau")
_PHOTOMETRY: Final = "_phot.dat.gz"


def read_kmtnet(folder: Path, fields: Mapping[str, FieldConfig]) -> Iterator[RealStar]:
    """Read the survey's own events, all files and sites; auxiliaries where the files have them.

    ``folder`` is as `model_build.realism.real_files.read_folder` wants it. Stars are put at the centre
    of their densest field.

    Raises
    ------
    BadInput
        If a file is missing or wrong, or a field is none of ``fields``.
    """
    files = read_folder(folder)
    for event in sorted({file.event for file in files}):
        mine = [file for file in files if file.event == event]
        for file in mine:
            if file.curve.dataset not in fields:
                raise BadInput(
                    folder / event / file.name, "field", file.curve.dataset, "a field of season.toml"
                )
        densest = max((fields[file.curve.dataset] for file in mine), key=lambda field: field.cadence)
        yield RealStar(
            group="KMTNet",
            name=event,
            ra=densest.ra,
            dec=densest.dec,
            cadence=densest.cadence,
            curves=tuple(file.curve for file in mine),
            is_event=True,
            peak=mine[0].peak,
        )


def read_ogle_iv(folder: Path, *, with_auxiliaries: bool) -> Iterator[RealStar]:
    """Read the events of the OGLE-IV Early Warning System with its own t_0 and t_E.

    ``with_auxiliaries`` gives the seeing in the survey's pixels and the sky level as it stands.

    Raises
    ------
    BadInput
        If a file is missing or wrong, or an event has no parameters.
    """
    group = "OGLE-IV 2025, with seeing and sky" if with_auxiliaries else "OGLE-IV 2025"
    parameters = folder / "params_all.tsv"
    table = {row["event"]: row for row in read_table(parameters, _PARAMETERS, "\t")}
    for path in sorted((folder / "photometry").glob(f"*{_PHOTOMETRY}")):
        name = path.name.removesuffix(_PHOTOMETRY)
        if name not in table:
            raise BadInput(parameters, "column event", f"no {name}", f"parameters of {path.name}")
        ra, dec, peak = _ogle_iv_parameters(parameters, table[name])
        curve = _ogle_iv_curve(path, with_auxiliaries=with_auxiliaries)
        yield RealStar(group, name, ra, dec, exposures_per_hour(curve), (curve,), is_event=True, peak=peak)


def read_ogle_ii(folder: Path, progress: Callable[[int, int], None]) -> Iterator[RealStar]:
    """Read OGLE-II events; t_0 and t_E are those of a point lens fitted to the whole light curve.

    ``progress`` hears how many of how many are fitted.

    Raises
    ------
    BadInput
        If a file can't be read.
    """
    paths = sorted(folder.glob("*.dat"))
    for done, path in enumerate(paths, 1):
        columns = read_columns(path, ("hjd", "mag", "mag_err"))
        curve = from_magnitudes("OGLE-II", {**columns, "hjd": reduced(columns["hjd"])})
        yield RealStar(
            "OGLE-II",
            path.stem,
            *_BULGE,
            exposures_per_hour(curve),
            (curve,),
            is_event=True,
            peak=fit_pspl(curve),
        )
        progress(done, len(paths))


def _ogle_iv_parameters(path: Path, row: Mapping[str, str]) -> tuple[float, float, Peak]:
    """Return right ascension and declination in degrees and the peak of an event."""
    name = row["event"]
    try:
        ra, dec = parse_ra(row["RA"]), parse_dec(row["Dec"])
    except ValueError as error:
        raise BadInput(path, name, f"{row['RA']} {row['Dec']}", f"a position ({error})") from error
    t_0, t_e = (number(path, f"{name}, column {column}", row[column]) for column in ("Tmax", "tau"))
    return ra, dec, Peak(t_0 - HJD_ZERO, t_e)


def _ogle_iv_curve(path: Path, *, with_auxiliaries: bool) -> LightCurve:
    columns = read_columns(path, ("hjd", "mag", "mag_err", "fwhm", "sky"))
    fwhm = columns["fwhm"] * _OGLE_IV_PIXEL_ARCSEC / PIXEL_ARCSEC if with_auxiliaries else None
    sky = columns["sky"] if with_auxiliaries else None
    return from_magnitudes("OGLE-IV", {**columns, "hjd": reduced(columns["hjd"])}, fwhm=fwhm, sky=sky)
