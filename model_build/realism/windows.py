"""Windows: pieces of quiet light curves, and what a classifier sees of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.realism.nights import night_of
from model_build.realism.quiet_stars import QuietCurve
from model_build.realism.real_files import rows
from model_build.realism.window_features import FEATURES, RESCALED_AWAY, window_features
from stream_worker.preprocessing.light_curve import Float64Array

WINDOW_DAYS: Final = 20.0
MIN_ROWS: Final = 20
MIN_NIGHTS: Final = 4
_ERASED: Final = np.isin(FEATURES, RESCALED_AWAY)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A piece of a `QuietCurve` from ``start`` (HJD - 2450000) on, with its `FEATURES`; season 0 is real."""

    event: str
    name: str
    site: str
    season: int
    start: float
    features: Float64Array


def cut_windows(curves: Iterable[QuietCurve], days: float = WINDOW_DAYS) -> tuple[Window, ...]:
    """Cut curves into adjacent windows; those with too few rows or nights are left out.

    Of files that are not raw, features that rescaled errors and removed outliers change become NaN, in
    the simulated windows too.
    """
    return tuple(window for curve in curves for window in _cut(curve, days))


def _cut(quiet: QuietCurve, days: float) -> Iterator[Window]:
    curve = quiet.curve
    number = np.floor((curve.hjd - quiet.start) / days)
    for n in np.unique(number).tolist():
        piece = rows(curve, number == n)
        if piece.hjd.size >= MIN_ROWS and np.unique(night_of(piece)).size >= MIN_NIGHTS:
            features = window_features(piece)
            if not quiet.raw:
                features[_ERASED] = np.nan
            start = quiet.start + n * days
            yield Window(quiet.event, quiet.name, curve.site, quiet.season, start, features)
