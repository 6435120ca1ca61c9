"""Command-line values of ingest: positions and times as people write them."""

from __future__ import annotations

import click

from stream_worker.codec.validation import MAX_NAME
from stream_worker.ingest.coordinates import parse_dec, parse_ra
from stream_worker.ingest.pysis import HJD_RANGE, parse_hjd


class _Position(click.ParamType[float]):
    """Right ascension or declination, decimal degrees or sexagesimal; converted to degrees."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return (parse_ra if self.name == "ra" else parse_dec)(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Hjd(click.ParamType[float]):
    """HJD with or without the 2450000; converted to HJD - 2450000."""

    name = "hjd"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        reduced = parse_hjd(str(value))
        if reduced is None:
            low, high = HJD_RANGE
            self.fail(f"{value!r}: expected HJD, or HJD - 2450000 within {low:.0f}..{high:.0f}", param, ctx)
        return reduced


class _Name(click.ParamType[str]):
    """A name that a candidate can carry."""

    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not 0 < len(text) <= MAX_NAME:
            self.fail(f"{len(text)} characters: expected 1 to {MAX_NAME}", param, ctx)
        return text


NAME = _Name()
RA = _Position("ra")
DEC = _Position("dec")
HJD = _Hjd()
