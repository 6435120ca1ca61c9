"""What a person notices on the three-site flux plot of a candidate up to t_cut.

A rise is compared with Paczynski curves (single lens, all sites at once), its amplitude between
sites, and with what the star did before. Nothing but flux, error, time and site is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_build.season.nightly import Nights, bin_nights
from model_build.season.shapes import fit_curves, jumps, paczynski, wave_gain
from stream_worker.preprocessing import LightCurve
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array

_PEAKS: Final = np.array([0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0, 1.15, 1.5])  # t_0 in lengths of the rise
_PEAKS_AHEAD: Final = np.array([4.0, 12.0, 25.0, 50.0, 90.0])  # t_0 in days after t_cut
_WIDTHS: Final = 12  # values of t_eff, from
_NARROWEST: Final = 1.0 / 24.0  # of the rise's length, to twice its length or
_WIDE: Final = 40.0  # days, whichever is more
_ZOOMS: Final = (0.5, 0.25, 0.125)  # steps of the grid
_CLOSE_UP: Final = 8.0  # days before t_cut that the plot shows in detail
_TOLERANCE: Final = 0.05  # of the model's height: what no person would see as a misfit
_WINDOWS: Final = (6, 12, 24)  # nights of any site: how long an earlier excursion may be
_PERIODS: Final = np.geomspace(15.0, 500.0, 30)  # of a wave, days
_DECAYS: Final = np.array([0.2, 1.0, 3.0, 8.0, 20.0, np.inf])  # of a jump, days
_JUMPS: Final = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0, 1.15])  # lengths before t_cut
_LONG_ENOUGH: Final = 5.0  # days of rise
_LONG_FALL: Final = 14.0  # days
_MEDIAN_NOISE: Final = 1.25  # of a median, over that of a mean
_NEXT_NIGHT: Final = 1.7  # days: the night after, or one lost in between
_MAX_PULL: Final = 4.0  # what a stray night counts for at most
_EARLIER_SIGMA: Final = 3.0  # an excursion is noticed above this
_MIN_NIGHTS: Final = 4
_SITE_AGREEMENT: Final = 0.12  # relative amplitudes closer than this look alike


@dataclass(frozen=True, slots=True)
class Impression:
    """What a person notices; all but the first two are 0, or negative, for a textbook event.

    Parameters
    ----------
    snr
        Height of the rise in errors: square root of the delta chi-square of a Paczynski curve, with
        errors from the scatter seen.
    sites
        Sites that confirm the rise (at least 4 errors).
    misfit
        Reduced chi-square of the nights since the break about the curve, less that before, >= 0.
    scatter
        Scatter within nights since the break over that before, less one, >= 0.
    disagreement
        Reduced chi-square of the sites' amplitudes about their mean, less one, >= 0.
    earlier
        Largest excursion before the break, beyond its noise, over the height of the rise.
    wave, burst
        By how many errors (signed square root of the difference of chi-square) a sine wave, and a
        jump that stays or decays, fit better than the Paczynski curve; negative if worse.
    fading
        How far the curve has fallen from its peak at t_cut, of its height; less if that is recent.
    suddenness
        Largest lasting step from a mean to the next, beyond its noise, over the height of the rise.
    haste
        How much too short the rise is to be judged: 1 at once, 0 from some days on.
    no_baseline
        Share of the nights' span that the rise itself takes.
    """

    snr: float
    sites: int
    misfit: float
    scatter: float
    disagreement: float
    earlier: float
    wave: float
    burst: float
    fading: float
    suddenness: float
    haste: float
    no_baseline: float


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Best curve: amplitudes per site; model less baseline, residual and error with tolerance, each [n]."""

    delta_chi2: float
    t_0: float
    t_eff: float
    high: bool
    amplitude: Float64Array
    amplitude_error: Float64Array
    model: Float64Array
    residual: Float64Array
    error: Float64Array


def look(light_curves: Sequence[LightCurve], t_break: float, t_cut: float) -> Impression | None:
    """Return what the plot up to ``t_cut`` shows; None if fewer than four days are on it.

    Parameters
    ----------
    light_curves
        All datasets, in any order of rows; observations after ``t_cut`` are not looked at.
    t_break
        Where AlertFinder's line breaks, HJD - 2450000.
    """
    nights = bin_nights(light_curves, t_cut, close_up=(t_cut - _CLOSE_UP, t_cut))
    if np.unique(np.floor(nights.t)).size < _MIN_NIGHTS:
        return None
    fit = _fit_rise(nights, t_break, t_cut)
    height = float(np.max(fit.model, initial=0.0))
    before = nights.t < t_break
    now = paczynski(np.array([t_cut]), np.array([fit.t_0]), np.array([fit.t_eff]), high=fit.high)[0, 0]
    since_peak = max(t_cut - fit.t_0, 0.0)
    first = float(nights.t.min())
    return Impression(
        snr=float(np.sqrt(fit.delta_chi2)),
        sites=int(np.sum(fit.amplitude > 4.0 * fit.amplitude_error)),
        misfit=_misfit(nights, fit, before),
        scatter=_scatter(nights, before),
        disagreement=_disagreement(fit),
        earlier=_earlier(nights, fit, before) / height if height > 0.0 else 1.0,
        wave=_signed_root(wave_gain(nights, fit.error, _PERIODS) - fit.delta_chi2),
        burst=_signed_root(_burst_gain(nights, fit.error, t_break, t_cut) - fit.delta_chi2),
        fading=float(1.0 - now) * min(since_peak / _LONG_FALL, 1.0),
        suddenness=_suddenness(nights, before) / height if height > 0.0 else 1.0,
        haste=float(np.clip(1.0 - (t_cut - t_break) / _LONG_ENOUGH, 0.0, 1.0)),
        no_baseline=float(np.clip((t_cut - t_break) / max(t_cut - first, 1e-9), 0.0, 1.0)),
    )


def _fit_rise(nights: Nights, t_break: float, t_cut: float) -> _Fit:
    """Fit Paczynski curves with an amplitude for each site and a baseline for each dataset."""
    length = max(t_cut - t_break, 1.0)
    peaks = np.concatenate([t_break + length * _PEAKS, t_cut + _PEAKS_AHEAD])
    widths = np.geomspace(length * _NARROWEST, max(2.0 * length, _WIDE), _WIDTHS)
    t_0, t_eff = (grid.ravel() for grid in np.meshgrid(peaks, widths))
    error = nights.error
    fits = [_best(nights, error, t_0, t_eff, high=high) for high in (True, False)]
    best = max(fits, key=lambda fit: fit.delta_chi2)
    for zoom in _ZOOMS:
        # misfits within the tolerance count for nothing, so that bright events are not held to photometry
        error = np.hypot(nights.error, _TOLERANCE * best.model)
        offsets = zoom * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
        step = 0.2 * length + 0.3 * max(best.t_0 - t_cut, 0.0)
        t_0, t_eff = (
            grid.ravel()
            for grid in np.meshgrid(best.t_0 + step * offsets, best.t_eff * np.exp(0.6 * offsets))
        )
        best = _best(nights, error, t_0, t_eff, high=best.high)
    return best


def _best(nights: Nights, error: Float64Array, t_0: Float64Array, t_eff: Float64Array, *, high: bool) -> _Fit:
    curves = paczynski(nights.t, t_0, t_eff, high=high)
    fitted = fit_curves(nights, error, curves)
    k = int(np.argmax(fitted.gain))
    amplitude, usable = fitted.amplitude[k], fitted.usable[k]
    of_night = amplitude[nights.site]
    return _Fit(
        delta_chi2=float(fitted.gain[k]),
        t_0=float(t_0[k]),
        t_eff=float(t_eff[k]),
        high=high,
        amplitude=amplitude,
        amplitude_error=np.where(usable, np.where(usable, fitted.s_xx[k], 1.0) ** -0.5, np.inf),
        model=of_night * curves[k],
        residual=fitted.flux - of_night * (curves[k] - fitted.mean[k][nights.dataset]),
        error=error,
    )


def _burst_gain(nights: Nights, error: Float64Array, t_break: float, t_cut: float) -> float:
    """Chi-square gain of the best jump that stays or decays."""
    length = max(t_cut - t_break, 1.0)
    start, decay = (grid.ravel() for grid in np.meshgrid(t_cut - length * _JUMPS, _DECAYS))
    return float(np.max(fit_curves(nights, error, jumps(nights.t, start, decay)).gain))


def _signed_root(value: float) -> float:
    return float(np.copysign(np.sqrt(abs(value)), value))


def _misfit(nights: Nights, fit: _Fit, before: BoolArray) -> float:
    pulls = np.clip(fit.residual / np.hypot(nights.error, _TOLERANCE * fit.model), -_MAX_PULL, _MAX_PULL)
    before = before & (fit.model < 0.1 * np.max(fit.model, initial=0.0))
    if not (~before).any():
        return 0.0
    baseline = float(np.mean(pulls[before] ** 2)) if before.sum() >= _MIN_NIGHTS else 1.0
    return max(float(np.mean(pulls[~before] ** 2)) - max(baseline, 1.0), 0.0)


def _scatter(nights: Nights, before: BoolArray) -> float:
    seen = np.isfinite(nights.spread)
    new, old = nights.spread[seen & ~before], nights.spread[seen & before]
    if new.size < _MIN_NIGHTS or old.size < _MIN_NIGHTS:
        return 0.0
    return max(float(np.median(new) / np.median(old)) - 1.0, 0.0)


def _disagreement(fit: _Fit) -> float:
    seen = np.isfinite(fit.amplitude_error)
    if seen.sum() < 2:
        return 0.0
    a, sigma = fit.amplitude[seen], fit.amplitude_error[seen]
    reference = max(float(np.max(a)), 0.0)
    variance = sigma**2 + (_SITE_AGREEMENT * reference) ** 2
    mean = np.sum(a / variance) / np.sum(1.0 / variance)
    return max(float(np.sum((a - mean) ** 2 / variance)) / (a.size - 1) - 1.0, 0.0)


def _earlier(nights: Nights, fit: _Fit, before: BoolArray) -> float:
    """Largest median of neighbouring nights of all sites about the curve, less its noise."""
    order = np.argsort(nights.t[before], kind="stable")
    r, w = fit.residual[before][order], nights.error[before][order] ** -2
    largest = 0.0
    for window in _WINDOWS:
        if r.size < window:
            break
        middle = np.median(np.lib.stride_tricks.sliding_window_view(r, window), axis=1)
        noise = _EARLIER_SIGMA * _MEDIAN_NOISE / np.sqrt(np.convolve(w, np.ones(window), "valid"))
        largest = max(largest, float(np.max(np.abs(middle) - noise)))
    return largest


def _suddenness(nights: Nights, before: BoolArray) -> float:
    """Largest rise of a dataset between two means and the next two since the break, less its noise."""
    f, e, t = nights.flux, nights.error, nights.t
    if f.size < 4:
        return 0.0
    rise = np.minimum(f[2:-1], f[3:]) - np.maximum(f[:-3], f[1:-2])
    noise = _EARLIER_SIGMA * np.hypot(e[2:-1], e[1:-2])
    # two on either side, or one stray mean would do; nights apart say nothing of how fast it rose
    same = (nights.dataset[:-3] == nights.dataset[3:]) & (t[2:-1] - t[1:-2] < _NEXT_NIGHT) & ~before[2:-1]
    return float(np.max((rise - noise)[same], initial=0.0))
