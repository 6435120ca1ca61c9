"""AlertFinder's broken line (Viaña et al. 2025, Eq. 1), in closed form for every break."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream_worker.preprocessing.light_curve import Float64Array, FloatArray


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """F(t) = a0 + slope (t - t_break) for t > t_break, a0 before.

    Parameters
    ----------
    t_break : float
        Epoch of the observation at which the line breaks; that of the last one if nothing rises.
    a0 : float
        Flux before.
    slope : float
        Flux per day after, >= 0; 0 if nothing rises.
    delta_chi2 : float
        Chi-square of the best flat line minus that of the broken one, >= 0.
    chi2_flat : float
        Chi-square of the best flat line.
    n : int
        Observations.
    """

    t_break: float
    a0: float
    slope: float
    delta_chi2: float
    chi2_flat: float
    n: int


def fit_broken_line(t: FloatArray, flux: FloatArray, flux_err: FloatArray) -> BrokenLine:
    """Fit Eq. 1 with a rising slope, trying every observation as break, in O(n).

    For a break at epoch k, let x = t - t_k where positive, else 0. The sums of w x, w x^2 and
    w x f over the rows follow from those for k + 1 by adding terms that don't cancel; then
    slope = S_xf / S_xx and delta_chi2 = S_xf^2 / S_xx, both sums taken about the weighted means.
    Of equal fits the earliest break wins.

    Parameters
    ----------
    t, flux, flux_err : float [n]
        Any order, n >= 1, finite, errors > 0.

    Raises
    ------
    ValueError
        If there are no observations, lengths differ, or a value is not finite or an error not > 0.
    """
    t, flux, flux_err = (np.asarray(values, dtype=np.float64) for values in (t, flux, flux_err))
    _require_valid(t, flux, flux_err)
    if np.any(t[1:] < t[:-1]):
        order = np.argsort(t, kind="stable")
        t, flux, flux_err = t[order], flux[order], flux_err[order]
    weight = 1.0 / np.square(flux_err)
    total = weight.sum()
    mean = np.dot(weight, flux) / total
    f = flux - mean
    chi2_flat = float(np.dot(weight * f, f))
    flat = BrokenLine(float(t[-1]), float(mean), 0.0, 0.0, chi2_flat, t.size)
    if t[0] == t[-1]:
        return flat
    step = t[1:] - t[:-1]
    weight_after = _suffix_sum(weight[1:])
    s_x = _suffix_sum(step * weight_after)
    s_xf = _suffix_sum(step * _suffix_sum((weight * f)[1:]))
    s_xx = _suffix_sum(step * (step * weight_after + 2.0 * np.append(s_x[1:], 0.0)))
    variance = s_xx - s_x * (s_x / total)
    usable = (variance > 0) & (s_xf > 0)
    if not usable.any():
        return flat
    slope = np.divide(s_xf, variance, out=np.zeros_like(s_xf), where=usable)
    delta_chi2 = slope * s_xf
    best = int(np.argmax(np.where(usable, delta_chi2, -np.inf)))
    return BrokenLine(
        t_break=float(t[best]),
        a0=float(mean - slope[best] * s_x[best] / total),
        slope=float(slope[best]),
        delta_chi2=float(delta_chi2[best]),
        chi2_flat=chi2_flat,
        n=t.size,
    )


def _suffix_sum(values: Float64Array) -> Float64Array:
    return np.cumsum(values[::-1])[::-1]


def _require_valid(t: Float64Array, flux: Float64Array, flux_err: Float64Array) -> None:
    if not t.size or not t.shape == flux.shape == flux_err.shape:
        raise ValueError(
            f"t, flux and flux_err must be as long as each other and not empty, "
            f"got shapes {t.shape}, {flux.shape} and {flux_err.shape}"
        )
    bad = np.flatnonzero(~(np.isfinite(t) & np.isfinite(flux) & np.isfinite(flux_err) & (flux_err > 0)))
    if bad.size:
        i = bad[0]
        raise ValueError(
            f"observation {i}: t {t[i]}, flux {flux[i]}, flux_err {flux_err[i]}; expected finite values "
            f"and flux_err > 0"
        )
