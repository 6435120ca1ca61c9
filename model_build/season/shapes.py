"""Curves fitted to nightly means: their amplitudes are linear, and solved for all curves at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.season.nightly import Nights
from stream_worker.preprocessing import SITES
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array

_LEAST_S_XX: Final = 1e-12
_LEAST_DETERMINANT: Final = 1e-6  # relative; else a wave is too long for the data: a straight line
_PEAK_AT_ONE: Final = 3.0 / np.sqrt(5.0) - 1.0  # magnification less one at u_0 = 1


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Curves with an amplitude for each site and a baseline for each dataset.

    Parameters
    ----------
    gain : float64 [k]
        Chi-square of the baselines alone less that of the curve, where negative amplitudes gain nothing.
    amplitude : float64 [k, 3]
        At each site; 0 where the site says nothing.
    s_xx : float64 [k, 3]
        Inverse variance of the amplitudes.
    mean : float64 [k, datasets]
        Weighted mean of the curve in each dataset.
    flux : float64 [n]
        Fluxes less their weighted means in each dataset.
    """

    gain: Float64Array
    amplitude: Float64Array
    s_xx: Float64Array
    mean: Float64Array
    flux: Float64Array

    @property
    def usable(self) -> BoolArray:
        """Which sites constrain which curve's amplitude, bool [k, 3]."""
        return np.asarray(self.s_xx > _LEAST_S_XX)


def paczynski(t: Float64Array, t_0: Float64Array, t_eff: Float64Array, *, high: bool) -> Float64Array:
    """Point lenses at the limits u_0 -> 0 (``high``) and u_0 = 1 (Kim et al. 2018a), [k, n], peak 1.

    Parameters
    ----------
    t : float64 [n]
        HJD - 2450000.
    t_0, t_eff : float64 [k]
        Peak and effective time scale u_0 t_E in days.
    """
    q = 1.0 + ((t - t_0[:, None]) / t_eff[:, None]) ** 2
    if high:
        return np.asarray(1.0 / np.sqrt(q))
    return np.asarray(((q + 2.0) / np.sqrt(q * (q + 4.0)) - 1.0) / _PEAK_AT_ONE)


def jumps(t: Float64Array, start: Float64Array, decay: Float64Array) -> Float64Array:
    """Curves [k, n] that are 0, jump to 1 at ``start`` [k] and decay over ``decay`` [k] days, or stay."""
    after = t - start[:, None]
    return np.asarray(np.where(after > 0.0, np.exp(-np.maximum(after, 0.0) / decay[:, None]), 0.0))


def fit_curves(nights: Nights, error: Float64Array, curves: Float64Array) -> Fitted:
    """Fit each of ``curves`` [k, n] to the nights with errors ``error`` [n]."""
    weight = error**-2
    member = membership(nights)
    of_site = np.zeros((member.shape[1], len(SITES)))
    of_site[nights.dataset, nights.site] = 1.0
    weights = member * weight[:, None]
    total = weights.sum(axis=0)
    flux = nights.flux - (nights.flux @ weights / total)[nights.dataset]
    mean = curves @ weights / total
    s_xf = curves @ (weights * flux[:, None]) @ of_site
    s_xx = ((curves * curves) @ weights - total * mean**2) @ of_site
    amplitude = np.divide(s_xf, s_xx, out=np.zeros_like(s_xf), where=s_xx > _LEAST_S_XX)
    gain = (np.maximum(amplitude, 0.0) * s_xf).sum(axis=1)
    return Fitted(gain, amplitude, s_xx, mean, flux)


def wave_gain(nights: Nights, error: Float64Array, periods: Float64Array) -> float:
    """Chi-square gain of the best sine wave, alike at all sites, with a baseline for each dataset."""
    weight = error**-2
    member = membership(nights)
    total = weight @ member
    f = nights.flux - member @ ((weight * nights.flux) @ member / total)
    angle = 2.0 * np.pi * (nights.t - nights.t.mean()) / periods[:, None]
    sine, cosine = np.sin(angle), np.cos(angle)
    mean_s, mean_c = (sine * weight) @ member / total, (cosine * weight) @ member / total
    s_f, c_f = sine @ (weight * f), cosine @ (weight * f)
    s_s = (sine**2) @ weight - (total * mean_s**2).sum(axis=1)
    c_c = (cosine**2) @ weight - (total * mean_c**2).sum(axis=1)
    s_c = (sine * cosine) @ weight - (total * mean_s * mean_c).sum(axis=1)
    determinant = s_s * c_c - s_c**2
    usable = determinant > _LEAST_DETERMINANT * s_s * c_c
    gain = (c_c * s_f**2 - 2.0 * s_c * s_f * c_f + s_s * c_f**2)[usable] / determinant[usable]
    return float(np.max(gain, initial=0.0))


def membership(nights: Nights) -> Float64Array:
    """Return one where a night is of a dataset, float64 [n, datasets]."""
    member = np.zeros((nights.t.size, int(nights.dataset.max()) + 1))
    member[np.arange(nights.t.size), nights.dataset] = 1.0
    return member
