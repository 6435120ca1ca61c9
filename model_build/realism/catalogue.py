"""The survey's catalogue of events: a CSV of one row per event."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from model_build.realism.faults import BadInput
from stream_worker.preprocessing.light_curve import Float64Array

CATALOGUE_FILE: Final = "KMT_args.csv"
_NAME: Final = "index_year_number"
_COLUMNS: Final = ("t_0", "t_E", "u_0", "I_base")


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Events as published: names (KMT-2018-BLG-0002), HJD - 2450000, d, u_0 and mag, float64 [n] each."""

    names: tuple[str, ...]
    t_0: Float64Array
    t_E: Float64Array  # noqa: N815 - the field's own name
    u_0: Float64Array
    i_base: Float64Array


def read_catalogue(path: Path) -> Catalogue:
    """Read a catalogue with the columns index_year_number (2018_0002), t_0, t_E, u_0 and I_base.

    Raises
    ------
    BadInput
        If there is no such file, a column is missing or a value is no number.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in (_NAME, *_COLUMNS) if name not in (reader.fieldnames or ())]
            if missing:
                header = ",".join(reader.fieldnames or ())
                raise BadInput(path, "line 1", repr(header), f"the columns {', '.join(missing)} too")
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise BadInput(path, "", error.strerror or str(error), "the survey's catalogue of events") from error
    if not rows:
        raise BadInput(path, "", "no row", "one row per event")
    values = np.array([[_number(path, line, row, name) for name in _COLUMNS] for line, row in rows])
    return Catalogue(tuple(_event_name(path, line, row[_NAME]) for line, row in rows), *values.T)


def _event_name(path: Path, line: int, text: str) -> str:
    year, _, number = text.partition("_")
    if not (year.isdigit() and number.isdigit()):
        raise BadInput(path, f"line {line}, {_NAME}", repr(text), "YEAR_NUMBER, e.g. 2018_0002")
    return f"KMT-{year}-BLG-{number}"


def _number(path: Path, line: int, row: dict[str, str | None], name: str) -> float:
    text = row[name]
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInput(path, f"line {line}, {name}", repr(text), "a number")
    return value
