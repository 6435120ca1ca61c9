"""Command-line values of replays: nights and speeds as people write them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Literal

import click

from stream_worker.ingest.pysis import HJD_RANGE, parse_hjd
from stream_worker.score_record import DAY_MS, UNIX_EPOCH_HJD

_LAST_INSTANT_D = 1e-6


class _Moment(click.ParamType[float]):
    """A UT day or an HJD, with or without the 2450000; converted to HJD - 2450000."""

    name = "day|hjd"

    def __init__(self, edge: Literal["start", "end"]) -> None:
        self._edge = edge

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            day = datetime.strptime(str(value), "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            reduced = parse_hjd(str(value))
            if reduced is None:
                low, high = HJD_RANGE
                wanted = f"a day as 2021-06-01, HJD, or HJD - 2450000 within {low:.0f}..{high:.0f}"
                self.fail(f"{value!r}: expected {wanted}", param, ctx)
            return reduced
        if self._edge == "start":
            return _hjd(day)
        return _hjd(day + timedelta(days=1)) - _LAST_INSTANT_D


class _Speed(click.ParamType[float]):
    """``max``, or how many times quicker than the archive's own time; converted to that factor."""

    name = "max|N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip().lower()
        if text == "max":
            return math.inf
        try:
            factor = float(text.removesuffix("x").removesuffix("\N{MULTIPLICATION SIGN}"))
        except ValueError:
            factor = math.nan
        if not 0 < factor < math.inf:
            self.fail(f"{value!r}: expected max, or a factor such as 3600 or 3600x", param, ctx)
        return factor


def check_nights(first: float | None, last: float | None) -> None:
    """Refuse nights that hold nothing; raises click.UsageError."""
    if first is not None and last is not None and first > last:
        raise click.UsageError("--from is after --to")


def _hjd(day: datetime) -> float:
    return day.timestamp() * 1000 / DAY_MS + UNIX_EPOCH_HJD


FROM = _Moment("start")
TO = _Moment("end")
SPEED = _Speed()
