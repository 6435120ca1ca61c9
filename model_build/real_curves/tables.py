"""Small files of numbers, with every fault named: where, which value, what was expected."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model_build.realism.faults import BadInput
from stream_worker.ingest.pysis import HJD_ZERO
from stream_worker.preprocessing.light_curve import Float64Array

_FULL_HJD = 1_000_000.0


def read_columns(path: Path, names: Sequence[str]) -> dict[str, Float64Array]:
    """Read whitespace-separated columns of numbers, gzipped if the name ends so; further ones are ignored.

    Raises
    ------
    BadInput
        If the file can't be read, or a row is short or not of numbers.
    """
    values = [
        _numbers(path, number, line.split()[: len(names)], names)
        for number, line in enumerate(_text(path).splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    table = np.array(values, dtype=np.float64).reshape(-1, len(names))
    return dict(zip(names, table.T, strict=True))


def read_table(path: Path, wanted: Sequence[str], delimiter: str = ",") -> list[dict[str, str]]:
    """Read rows of named text columns, gzipped if the name ends so.

    Raises
    ------
    BadInput
        If the file can't be read or lacks a wanted column.
    """
    csv.field_size_limit(2**31 - 1)
    rows = list(csv.DictReader(_text(path).splitlines(), delimiter=delimiter))
    found = list(rows[0]) if rows else []
    missing = [name for name in wanted if name not in found]
    if missing:
        raise BadInput(path, "header", f"no {', '.join(missing)}", f"columns {', '.join(wanted)}")
    return rows


def number(path: Path, where: str, text: str) -> float:
    """Return a number; NaN of "nan".

    Raises
    ------
    BadInput
        If it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise BadInput(path, where, repr(text), "a number") from None


def reduced(hjd: Float64Array) -> Float64Array:
    """Return HJD - 2450000 of full HJD or of what is that already."""
    return np.where(hjd > _FULL_HJD, hjd - HJD_ZERO, hjd)


def _numbers(path: Path, line: int, words: list[str], names: Sequence[str]) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != len(names) or not math.isfinite(values[0]):
        raise BadInput(path, f"line {line}", repr(" ".join(words)), " ".join(names))
    return values


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadInput(path, "", str(error), "a readable file of text") from error
