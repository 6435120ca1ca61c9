"""Quantities whose distributions are compared: real against simulated, by event and site."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.realism.nights import (
    clipped,
    lag_of_nights,
    lag_within_night,
    night_of,
    residuals,
    same_night,
)
from model_build.realism.quiet_stars import QuietCurve
from model_build.realism.window_features import FEATURES
from model_build.realism.windows import Window
from stream_worker.preprocessing import SITES, LightCurve
from stream_worker.preprocessing.light_curve import Float64Array

PROBABILITIES: Final = (0.05, 0.5, 0.95)
LAGS: Final = tuple(range(1, 11))
"""Nights between the nightly means that are correlated."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity with its unit; ``raw_only`` if published magnitudes no longer tell it."""

    title: str
    unit: str
    logarithmic: bool
    raw_only: bool
    samples: Callable[[LightCurve], Float64Array]


def _column(name: str) -> Callable[[LightCurve], Float64Array]:
    def samples(curve: LightCurve) -> Float64Array:
        column = getattr(curve, name)
        return np.empty(0) if column is None else np.asarray(column[np.isfinite(column)], np.float64)

    return samples


def _steps(curve: LightCurve) -> Float64Array:
    return np.asarray(np.diff(curve.hjd)[same_night(curve)] * 1440.0)


def _rows_per_night(curve: LightCurve) -> Float64Array:
    return np.unique(night_of(curve), return_counts=True)[1].astype(np.float64)


def _gaps(curve: LightCurve) -> Float64Array:
    return np.diff(np.unique(night_of(curve))).astype(np.float64)


OF_ROWS: Final = (
    Quantity("Quoted error", "flux units, zero point 28", True, True, _column("flux_err")),
    Quantity("FWHM", "px", False, False, _column("fwhm")),
    Quantity("Sky", "ADU", True, False, _column("sky_background")),
    Quantity("Airmass", "sec z", False, False, _column("airmass")),
    Quantity("Step within a night", "min", True, False, _steps),
    Quantity("Exposures per night", "number", False, False, _rows_per_night),
    Quantity("Nights from one with data to the next", "nights", True, False, _gaps),
)  # fmt: skip
OF_WINDOWS: Final = {
    "scatter over error": "Robust scatter over quoted error",
    "rms over error": "RMS over quoted error",
    "lag within night": "Correlation of successive residuals of a night",
    "lag one night": "Correlation of successive nights",
    "residual-fwhm": "Correlation of residual and FWHM",
}
"""Features of windows that are shown as quantities too."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Samples of one quantity: real and simulated, by (event, site), float64 [n] each."""

    title: str
    unit: str
    logarithmic: bool
    real: Mapping[tuple[str, str], Float64Array]
    simulated: Mapping[tuple[str, str], Float64Array]

    def row(self, event: str, site: str) -> list[object]:
        """Return site, event, quantity, number and quantiles of the real, then of the simulated samples."""
        real, simulated = self.real[event, site], self.simulated[event, site]
        return [
            site, event, f"{self.title} ({self.unit})",
            int(real.size), *np.quantile(real, PROBABILITIES).tolist(),
            int(simulated.size), *np.quantile(simulated, PROBABILITIES).tolist(),
        ]  # fmt: skip


def compare(curves: Sequence[QuietCurve], windows: Sequence[Window]) -> tuple[Comparison, ...]:
    """Compare all quantities; season 0 of ``curves`` and ``windows`` is the real one."""
    return (*_of_rows(curves), *_of_windows(windows))


def quantile_rows(comparisons: Iterable[Comparison]) -> list[list[object]]:
    """Rows of the table: by site, then event, then quantity."""
    found = [
        (SITES.index(site), event, comparison.row(event, site))
        for comparison in comparisons
        for event, site in comparison.real
        if comparison.real[event, site].size and (event, site) in comparison.simulated
    ]
    return [row for _, _, row in sorted(found, key=lambda one: one[:2])]


def autocorrelation(curves: Sequence[QuietCurve], event: str, site: str, *, real: bool) -> Float64Array:
    """Mean correlation of residuals within a night and of nights 1 to 10 apart, float64 [11]."""
    chosen = [c.curve for c in curves if (c.event, c.curve.site, c.season == 0) == (event, site, real)]
    found = []
    for curve in chosen:
        z = clipped(residuals(curve))
        found.append([lag_within_night(z, curve), *(lag_of_nights(z, curve, lag) for lag in LAGS)])
    values = np.array(found).reshape(-1, 1 + len(LAGS))
    known = np.isfinite(values)
    return np.asarray(
        np.where(known, values, 0.0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    )


def _of_rows(curves: Sequence[QuietCurve]) -> Iterator[Comparison]:
    for quantity in OF_ROWS:
        seen: list[dict[tuple[str, str], list[Float64Array]]] = [{}, {}]
        for quiet in curves:
            samples = quantity.samples(quiet.curve)
            if samples.size and (quiet.raw or not quantity.raw_only):
                place = seen[0 if quiet.season == 0 else 1]
                place.setdefault((quiet.event, quiet.curve.site), []).append(samples)
        real, simulated = ({key: np.concatenate(parts) for key, parts in one.items()} for one in seen)
        yield Comparison(quantity.title, quantity.unit, quantity.logarithmic, real, simulated)


def _of_windows(windows: Sequence[Window]) -> Iterator[Comparison]:
    for name, title in OF_WINDOWS.items():
        column = FEATURES.index(name)
        seen: list[dict[tuple[str, str], list[float]]] = [{}, {}]
        for window in windows:
            value = float(window.features[column])
            if np.isfinite(value):
                place = seen[0 if window.season == 0 else 1]
                place.setdefault((window.event, window.site), []).append(value)
        real, simulated = ({key: np.array(values) for key, values in one.items()} for one in seen)
        yield Comparison(title, "by window", False, real, simulated)
