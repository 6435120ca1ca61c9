"""Features for simple classifiers: what a network has to beat, and what must say nothing.

They describe labelled candidates for a report; no label is ever made from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from stream_worker.preprocessing import AUXILIARIES, SITES, LightCurve
from stream_worker.preprocessing.light_curve import Float64Array

_CLASSICAL: Final = (
    "n_before", "n_after", "scatter_before", "scatter_after",
    "slope", "quadratic", "cubic", "skewness", "kurtosis",
)  # fmt: skip
_AUXILIARY: Final = ("median_before", "change", "correlation_before", "correlation_after")
CLASSICAL_FEATURES: Final = tuple(f"{site} {name}" for site in SITES for name in _CLASSICAL)
AUXILIARY_FEATURES: Final = tuple(
    f"{site} {column} {name}" for site in SITES for column in AUXILIARIES for name in _AUXILIARY
)
DATE_AND_COUNT_FEATURES: Final = ("t_cut", *(f"{site} n" for site in SITES))
_MIN_POINTS: Final = 5


def classical_features(light_curves: Sequence[LightCurve], t_break: float, t_cut: float) -> Float64Array:
    """Return `CLASSICAL_FEATURES` of one candidate, float64 [27], NaN where a site has too few points.

    After Viaña et al. 2025, sec. 6: scatter about the broken line before and after the break, slope,
    parameters of higher-order fits, skewness, kurtosis and numbers of points. The scatter before is in
    quoted errors, all else in units of that scatter, so that the star's brightness says little.
    """
    return np.concatenate([_classical(_site(light_curves, site, t_cut), t_break, t_cut) for site in SITES])


def auxiliary_features(light_curves: Sequence[LightCurve], t_break: float, t_cut: float) -> Float64Array:
    """Return `AUXILIARY_FEATURES` of one candidate, float64 [48], NaN where not measured.

    Of each auxiliary column: its median before the break, its change in the units of its scatter, and
    the rank correlation of the flux with it before and after.
    """
    return np.concatenate([_auxiliary(_site(light_curves, site, t_cut), t_break) for site in SITES])


def date_and_count_features(light_curves: Sequence[LightCurve], t_cut: float) -> Float64Array:
    """Return `DATE_AND_COUNT_FEATURES` of one candidate, float64 [4]."""
    counts = [
        sum(int(np.sum(curve.hjd <= t_cut)) for curve in light_curves if curve.site == site) for site in SITES
    ]
    return np.array([t_cut, *counts], dtype=np.float64)


def _site(light_curves: Sequence[LightCurve], site: str, t_cut: float) -> Float64Array:
    """Columns hjd, flux, error and the auxiliaries, [7, n]: the site's dataset with most usable points."""
    best = np.empty((3 + len(AUXILIARIES), 0))
    for curve in light_curves:
        if curve.site != site:
            continue
        columns = (getattr(curve, name) for name in ("hjd", "flux", "flux_err", *AUXILIARIES))
        rows = np.stack([np.full(curve.hjd.shape, np.nan) if c is None else c for c in columns])
        rows = rows.astype(np.float64)
        rows = rows[:, (rows[0] <= t_cut) & np.isfinite(rows[1]) & (rows[2] > 0.0)]
        if rows.shape[1] > best.shape[1]:
            best = rows[:, np.argsort(rows[0], kind="stable")]
    return best


def _classical(rows: Float64Array, t_break: float, t_cut: float) -> Float64Array:
    t, flux = rows[0], rows[1]
    before, after = t < t_break, t >= t_break
    counts = [float(before.sum()), float(after.sum())]
    if min(counts) < _MIN_POINTS:
        return np.array([*counts, *[np.nan] * (len(_CLASSICAL) - 2)])
    baseline, scatter = float(np.mean(flux[before])), float(np.std(flux[before])) or 1.0
    z = (flux - baseline) / scatter
    x = (t[after] - t_break) / max(t_cut - t_break, 1e-6)
    slope = float(x @ z[after] / max(float(x @ x), 1e-12))
    powers = np.stack([x, x**2, x**3], axis=1)
    _, quadratic, cubic = np.linalg.lstsq(powers, z[after], rcond=None)[0].tolist()
    centred = (z - z.mean()) / (float(z.std()) or 1.0)
    shape = [
        scatter / float(np.median(rows[2][before])),
        float(np.std(z[after] - slope * x)),
        slope,
        quadratic,
        cubic,
        float(np.mean(centred**3)),
        float(np.mean(centred**4)),
    ]
    return np.array([*counts, *shape])


def _auxiliary(rows: Float64Array, t_break: float) -> Float64Array:
    t, flux = rows[0], rows[1]
    found: list[float] = []
    for column in rows[3:]:
        seen = np.isfinite(column)
        before, after = seen & (t < t_break), seen & (t >= t_break)
        if before.sum() < _MIN_POINTS or after.sum() < _MIN_POINTS:
            found += [np.nan] * len(_AUXILIARY)
            continue
        median = float(np.median(column[before]))
        spread = 1.4826 * float(np.median(np.abs(column[before] - median))) or 1.0
        change = (float(np.median(column[after])) - median) / spread
        found += [median, change, *(_rank_correlation(flux[part], column[part]) for part in (before, after))]
    return np.array(found)


def _rank_correlation(a: Float64Array, b: Float64Array) -> float:
    rank_a, rank_b = (
        np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(np.float64) for values in (a, b)
    )
    return float(np.corrcoef(rank_a, rank_b)[0, 1])
