"""Quoted error against magnitude, of real rows and of simulated stars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.realism.nights import night_of
from model_build.realism.real_files import RealFile
from model_build.season.photometry import flux_of_magnitude
from stream_worker.preprocessing import SITES, LightCurve
from stream_worker.preprocessing.light_curve import Float64Array

MAGNITUDES: Final = tuple(np.arange(15.0, 21.1, 0.5).tolist())
_PROBABILITIES: Final = (0.05, 0.5, 0.95)
_MIN_ROWS: Final = 10
_MIN_OF_NIGHT: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class NoiseCurve:
    """Quantiles (5, 50, 95 %) of the quoted error, flux units, [n, 3] at ``magnitude`` [n] at one site."""

    site: str
    real: bool
    magnitude: Float64Array
    quantiles: Float64Array


def real_noise(files: Sequence[RealFile]) -> tuple[NoiseCurve, ...]:
    """Bin the rows of raw files, events included, by the star's median magnitude of the night.

    A row's own flux would put those of large error where the star never was.
    """
    return _curves(True, ((_total_magnitude(file), file.curve) for file in files if file.raw))


def simulated_noise(stars: Iterable[tuple[int, float, LightCurve]]) -> tuple[NoiseCurve, ...]:
    """Bin the rows of quiet stars (season, I magnitude, light curve)."""
    return _curves(False, ((np.full(curve.hjd.size, i_base), curve) for _, i_base, curve in stars))


def _total_magnitude(file: RealFile) -> Float64Array:
    nights, counts = np.unique(night_of(file.curve), return_counts=True)
    medians = [np.median(part) for part in np.split(file.curve.flux, np.cumsum(counts)[:-1])]
    usual = np.where(counts >= _MIN_OF_NIGHT, medians, np.nan)
    total = flux_of_magnitude(file.i_base) + usual[np.searchsorted(nights, night_of(file.curve))]
    return np.asarray(28.0 - 2.5 * np.log10(np.where(total > 0.0, total, np.nan)))


def _curves(real: bool, rows: Iterable[tuple[Float64Array, LightCurve]]) -> tuple[NoiseCurve, ...]:
    seen: dict[str, list[Float64Array]] = {}
    for magnitude, curve in rows:
        seen.setdefault(curve.site, []).append(np.stack([magnitude, curve.flux_err]))
    found = []
    for site in SITES:
        if site in seen:
            magnitude, error = np.concatenate(seen[site], axis=1)
            bins = np.round(magnitude * 2.0) / 2.0
            kept = [m for m in MAGNITUDES if np.sum(bins == m) >= _MIN_ROWS]
            quantiles = [np.quantile(error[bins == m], _PROBABILITIES) for m in kept]
            found.append(NoiseCurve(site, real, np.array(kept), np.array(quantiles).reshape(-1, 3)))
    return tuple(found)
