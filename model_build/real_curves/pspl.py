"""A point lens before a point source, fitted to a whole light curve: when it peaked and how long it took."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.optimize import least_squares

from model_build.realism.real_files import Peak
from stream_worker.preprocessing import LightCurve
from stream_worker.preprocessing.light_curve import Float64Array

_T_E: Final = (1.0, 400.0)  # days
_U_0: Final = (1e-3, 2.0)
_STARTS_T_E: Final = (5.0, 20.0, 60.0)
_STARTS_U_0: Final = (0.1, 0.5)
_BRIGHTEST: Final = 3  # rows that a fit starts from
_MIN_ROWS: Final = 10


def fit_pspl(curve: LightCurve) -> Peak | None:
    """Return t_0 and t_E of the best fit; None of fewer than 10 rows, or if nothing constrains them.

    That is if t_0 is not within the light curve, or t_E is the longest or shortest allowed.

    Source and blend flux are solved for at each step; loss soft_l1 in quoted errors, so that a few bad
    rows do not pull. Starts from the brightest means of five rows in turn, at several t_E and u_0.
    """
    if curve.hjd.size < _MIN_ROWS:
        return None
    t, flux, error = (np.asarray(column, np.float64) for column in (curve.hjd, curve.flux, curve.flux_err))
    bounds = ([t[0] - _T_E[1], np.log(_T_E[0]), _U_0[0]], [t[-1] + _T_E[1], np.log(_T_E[1]), _U_0[1]])

    def residuals(x: Float64Array) -> Float64Array:
        return (_lensed(t, flux, error, x) - flux) / error

    best: tuple[float, Float64Array] | None = None
    for t_0 in _peaks(t, flux, error):
        for t_e in _STARTS_T_E:
            for u_0 in _STARTS_U_0:
                start = np.array([t_0, np.log(t_e), u_0])
                found = least_squares(
                    residuals, start, bounds=bounds, loss="soft_l1", x_scale=[5.0, 0.5, 0.2]
                )
                if best is None or found.cost < best[0]:
                    best = float(found.cost), found.x
    if best is None:
        return None
    peak = Peak(float(best[1][0]), float(np.exp(best[1][1])))
    free = 1.01 * _T_E[0] < peak.t_e < 0.99 * _T_E[1]
    return peak if free and t[0] <= peak.t_0 <= t[-1] else None


def magnification(t: Float64Array, t_0: float, t_e: float, u_0: float) -> Float64Array:
    """Return A(t), Paczynski 1986."""
    u2 = u_0**2 + ((t - t_0) / t_e) ** 2
    return np.asarray((u2 + 2.0) / np.sqrt(u2 * (u2 + 4.0)))


def _lensed(t: Float64Array, flux: Float64Array, error: Float64Array, x: Float64Array) -> Float64Array:
    """Return the model with the best source flux, >= 0, and blend."""
    a = magnification(t, float(x[0]), float(np.exp(x[1])), float(x[2]))
    w = 1.0 / error**2
    a_mean, flux_mean = np.average(a, weights=w), np.average(flux, weights=w)
    s_xx = float(np.dot(w, (a - a_mean) ** 2))
    source = max(float(np.dot(w, (a - a_mean) * (flux - flux_mean))) / s_xx, 0.0) if s_xx > 0.0 else 0.0
    return np.asarray(flux_mean + source * (a - a_mean))


def _peaks(t: Float64Array, flux: Float64Array, error: Float64Array) -> list[float]:
    """Return times of the brightest means of five rows, in units of their error."""
    width = 5
    w = 1.0 / error**2
    box = np.ones(width)
    weight = np.convolve(w, box, "valid")
    mean = np.convolve(w * (flux - np.median(flux)), box, "valid") / np.sqrt(weight)
    times = np.convolve(w * t, box, "valid") / weight
    chosen: list[float] = []
    for place in np.argsort(-mean).tolist():
        if all(abs(times[place] - other) > 10.0 for other in chosen):
            chosen.append(float(times[place]))
        if len(chosen) == _BRIGHTEST:
            break
    return chosen
