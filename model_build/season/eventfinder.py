"""EventFinder: search of whole seasons for microlensing, after the season (Kim et al. 2018a).

A grid of Paczynski curves in peak time and effective time scale, with fluxes linear at each site, then
a point-lens fit of t_0, u_0 and t_E. Only flux, error, time and site are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from scipy.optimize import least_squares

from model_build.season.nightly import Nights, bin_nights
from model_build.season.sections import Fraction, NonNegative, Positive
from model_build.season.shapes import fit_curves, paczynski, wave_gain
from stream_worker.preprocessing import LightCurve
from stream_worker.preprocessing.light_curve import Float64Array

_TOLERANCE: Final = 0.03  # of the model: what anomalies and calibration may add without counting
_STARTS: Final = ((0.1, True), (0.5, False))  # u_0 from which a fit starts, by shape of the grid's best
_MAX_EVALUATIONS: Final = 60
_LN_U_0: Final = (np.log(1e-4), np.log(3.0))
_LN_T_E: Final = (np.log(0.3), np.log(1000.0))
_PENALTY: Final = 30.0  # slope of the wall at these limits, in errors per unit
_PERIODS: Final = np.geomspace(15.0, 500.0, 60)
_MIN_NIGHTS: Final = 8


class EventClass(StrEnum):
    """What the season-end check makes of a star."""

    CLEAR = "clear"
    PROBABLE = "probable"
    POSSIBLE = "possible"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class EventFinderConfig:
    """Grid and thresholds.

    Parameters
    ----------
    t_eff_range_d, t_eff_factor
        Effective time scales u_0 t_E of the grid, in geometric steps.
    t_0_step
        Step of the peak time, in effective time scales.
    min_delta_chi2
        Below it there is nothing; errors are from the scatter seen.
    probable_delta_chi2, clear_delta_chi2
        Limits of the classes.
    probable_explained, clear_explained
        Share of the excess chi-square of a flat line that the curve must explain.
    agreement
        Largest reduced chi-square of the amplitudes of the sites about their mean (12 % allowed).
    close_up_d
        Days around the peak that are fitted in steps of hours.
    """

    t_eff_range_d: tuple[Positive, Positive]  # public source
    t_eff_factor: Positive  # assumed; the survey has 4/3, but here a fit follows
    t_0_step: Positive  # assumed
    min_delta_chi2: NonNegative  # assumed, as all below
    probable_delta_chi2: NonNegative
    clear_delta_chi2: NonNegative
    probable_explained: Fraction
    clear_explained: Fraction
    agreement: Positive
    close_up_d: Positive


@dataclass(frozen=True, slots=True)
class EventFit:
    """Point-lens fit to a season; ``t_0`` is HJD - 2450000, ``t_E`` days.

    Parameters
    ----------
    delta_chi2
        Flat baselines less the curve, the same amplitude at all sites.
    explained
        Share of the flat line's excess chi-square that it explains, at most 1.
    disagreement
        Reduced chi-square of the sites' amplitudes about their mean.
    wave_delta_chi2
        What a sine wave gains instead.
    source_flux
        Lensed flux f_s, the weighted mean of the sites.
    event_class
        See `EventFinderConfig`.
    """

    t_0: float
    u_0: float
    t_E: float  # noqa: N815 - the field's own name
    source_flux: float
    delta_chi2: float
    explained: float
    disagreement: float
    wave_delta_chi2: float
    event_class: EventClass


def find_event(light_curves: Sequence[LightCurve], config: EventFinderConfig) -> EventFit | None:
    """Fit a point lens to a star's whole season; None if there are too few nights for one.

    Every dataset has its own baseline, every site its own source flux; a Paczynski curve of negative
    amplitude is none.
    """
    nights = bin_nights(light_curves)
    if nights.t.size < _MIN_NIGHTS:
        return None
    t_0, t_eff, high = _search_grid(nights, config)
    nights = bin_nights(light_curves, close_up=(t_0 - config.close_up_d, t_0 + config.close_up_d))
    error = nights.error
    fitted = _refine(nights, error, t_0, t_eff, high=high)
    error = np.hypot(error, _TOLERANCE * _model(nights, error, fitted))
    fitted = _refine(nights, error, fitted[0], fitted[1] * fitted[2], high=high, start=fitted)
    return _judge(nights, error, fitted, config)


def point_lens(t: Float64Array, t_0: float, u_0: float, t_e: float) -> Float64Array:
    """Magnification less one of a point source, A = (u^2 + 2) / (u sqrt(u^2 + 4)), float64 [n]."""
    u_squared = u_0**2 + ((t - t_0) / t_e) ** 2
    return np.asarray((u_squared + 2.0) / np.sqrt(u_squared * (u_squared + 4.0)) - 1.0)


def _search_grid(nights: Nights, config: EventFinderConfig) -> tuple[float, float, bool]:
    best = (-np.inf, 0.0, 1.0, True)
    for t_eff, t_0 in _grid(nights, config):
        widths = np.full(t_0.size, t_eff)
        for high in (True, False):
            gain = fit_curves(nights, nights.error, paczynski(nights.t, t_0, widths, high=high)).gain
            k = int(np.argmax(gain))
            best = max(best, (float(gain[k]), float(t_0[k]), t_eff, high))
    return best[1:]


def _grid(nights: Nights, config: EventFinderConfig) -> Iterator[tuple[float, Float64Array]]:
    low, high = config.t_eff_range_d
    times = np.sort(nights.t)
    first, last = float(times[0]), float(times[-1])
    t_eff = low
    while t_eff <= high:
        peaks = np.arange(first - t_eff, last + 2.0 * t_eff, config.t_0_step * t_eff)
        nearest = np.searchsorted(times, peaks)
        gap = np.minimum(
            np.abs(peaks - times[np.maximum(nearest - 1, 0)]),
            np.abs(peaks - times[nearest.clip(max=times.size - 1)]),
        )
        yield t_eff, peaks[gap < 2.0 * t_eff]
        t_eff *= config.t_eff_factor


_Shape = tuple[float, float, float]


def _refine(
    nights: Nights,
    error: Float64Array,
    t_0: float,
    t_eff: float,
    *,
    high: bool,
    start: _Shape | None = None,
) -> _Shape:
    """Return t_0, u_0, t_E of the least chi-square, the fluxes solved for at each step."""
    if start is None:
        u_0 = next(u_0 for u_0, of_high in _STARTS if of_high == high)
        start = (t_0, u_0, max(t_eff, 1e-3) / u_0)
    scale = max(t_eff, 0.1)

    def pulls(parameters: Float64Array) -> Float64Array:
        offset, ln_u_0, ln_t_e = parameters
        inside = (float(np.clip(ln_u_0, *_LN_U_0)), float(np.clip(ln_t_e, *_LN_T_E)))
        wall = _PENALTY * np.array([ln_u_0 - inside[0], ln_t_e - inside[1]])
        residual = _residual(nights, error, (t_0 + scale * offset, np.exp(inside[0]), np.exp(inside[1])))
        return np.concatenate([residual / error, wall])

    x_0 = np.array([(start[0] - t_0) / scale, np.log(start[1]), np.log(start[2])])
    found = least_squares(pulls, x_0, method="lm", max_nfev=_MAX_EVALUATIONS).x
    u_0, t_e = np.exp(np.clip(found[1], *_LN_U_0)), np.exp(np.clip(found[2], *_LN_T_E))
    return float(t_0 + scale * found[0]), float(u_0), float(t_e)


def _residual(nights: Nights, error: Float64Array, shape: _Shape) -> Float64Array:
    curve = point_lens(nights.t, *shape)
    fitted = fit_curves(nights, error, curve[None])
    amplitude = _positive_mean(fitted.amplitude[0], fitted.s_xx[0])
    return np.asarray(fitted.flux - amplitude * (curve - fitted.mean[0][nights.dataset]))


def _model(nights: Nights, error: Float64Array, shape: _Shape) -> Float64Array:
    curve = point_lens(nights.t, *shape)
    fitted = fit_curves(nights, error, curve[None])
    return _positive_mean(fitted.amplitude[0], fitted.s_xx[0]) * curve


def _positive_mean(amplitude: Float64Array, weight: Float64Array) -> float:
    """Amplitude common to all sites."""
    total = float(weight.sum())
    return max(float(weight @ amplitude) / total, 0.0) if total > 0.0 else 0.0


def _judge(nights: Nights, error: Float64Array, shape: _Shape, config: EventFinderConfig) -> EventFit:
    fitted = fit_curves(nights, error, point_lens(nights.t, *shape)[None])
    amplitude, weight = fitted.amplitude[0], fitted.s_xx[0]
    mean = _positive_mean(amplitude, weight)
    chi2_flat = float(np.sum((fitted.flux / error) ** 2))
    chi2 = float(np.sum((_residual(nights, error, shape) / error) ** 2))
    freedom = max(error.size - int(nights.dataset.max()) - 5, 1)
    gain = chi2_flat - chi2
    seen = fitted.usable[0]
    variance = 1.0 / weight[seen] + (0.12 * mean) ** 2
    disagreement = float(np.sum((amplitude[seen] - mean) ** 2 / variance)) / max(int(seen.sum()) - 1, 1)
    explained = float(np.clip(gain / max(chi2_flat - freedom, gain, 1e-9), 0.0, 1.0))
    wave = wave_gain(nights, error, _PERIODS)
    inside = nights.t.min() < shape[0] < nights.t.max()
    return EventFit(
        t_0=shape[0],
        u_0=shape[1],
        t_E=shape[2],
        source_flux=mean,
        delta_chi2=gain,
        explained=explained,
        disagreement=disagreement,
        wave_delta_chi2=wave,
        event_class=_classify(
            gain, explained, disagreement, config, credible=bool(wave < gain), inside=bool(inside)
        ),
    )


def _classify(
    gain: float,
    explained: float,
    disagreement: float,
    config: EventFinderConfig,
    *,
    credible: bool,
    inside: bool,
) -> EventClass:
    if gain < config.min_delta_chi2:
        return EventClass.NONE
    if not credible or disagreement > config.agreement:
        return EventClass.POSSIBLE
    if inside and gain >= config.clear_delta_chi2 and explained >= config.clear_explained:
        return EventClass.CLEAR
    if gain >= config.probable_delta_chi2 and explained >= config.probable_explained:
        return EventClass.PROBABLE
    return EventClass.POSSIBLE
