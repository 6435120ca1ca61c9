"""Variable stars, as all sites see them: pulsating giants, dwarf novae, flaring dwarfs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import numpy as np

from model_build.season.sections import Ascending, Fraction, Limits, NonNegative
from stream_worker.preprocessing.light_curve import Float64Array

PositiveRange = Annotated[tuple[float, float], Ascending(), Limits(0.0, above_low=True)]
Kind = Literal["mira", "sr", "osarg", "cv", "flare"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class PulsationConfig:
    """A class of long-period variables. Ranges are of log-uniform densities.

    Parameters
    ----------
    i_range
        Mean I magnitude (uniform).
    period_range_d, amplitude_range
        Of the first mode; the amplitude is half of the peak-to-peak one, in magnitudes.
    modes
        Largest number of modes; each next one is shorter and weaker than the one before.
    asymmetry
        0 is a sinusoid; more means a rise faster than the fall.
    phase_scatter
        Size (radians) of the slow wander of the phase, by which no two cycles are alike.
    long_secondary_fraction
        Share of stars with a long secondary period on top.
    """

    i_range: PositiveRange
    period_range_d: PositiveRange
    amplitude_range: PositiveRange
    modes: Annotated[int, Limits(1)]
    asymmetry: Fraction
    phase_scatter: float
    long_secondary_fraction: float


@dataclass(frozen=True, slots=True)
class OutburstConfig:
    """A class of outbursts. Ranges are of log-uniform densities unless said otherwise.

    Parameters
    ----------
    i_range
        Magnitude of the catalogued star between outbursts (uniform).
    rise_range_d, decay_range_d
        From quiescence to peak (uniform), and from peak to a tenth of it.
    height_range
        Flux at the peak over the flux between outbursts, less one.
    interval_range_d
        Mean time between outbursts.
    """

    i_range: PositiveRange
    rise_range_d: PositiveRange
    decay_range_d: PositiveRange
    height_range: PositiveRange
    interval_range_d: PositiveRange


@dataclass(frozen=True, slots=True)
class VariablesConfig:
    """Shapes and proportions of variable stars.

    Parameters
    ----------
    stars
        How many of each kind the survey's fields have.
    mira, sr, osarg, cv, flare
        Of each kind.
    long_secondary_period_range_d, long_secondary_amplitude_range
        Days and magnitudes.
    interval_scatter
        Of the time between outbursts, relative.
    height_factor_range
        Of an outburst to the star's typical one.
    """

    stars: Mapping[str, NonNegative]
    mira: PulsationConfig
    sr: PulsationConfig
    osarg: PulsationConfig
    long_secondary_period_range_d: PositiveRange
    long_secondary_amplitude_range: PositiveRange
    cv: OutburstConfig
    flare: OutburstConfig
    interval_scatter: float
    height_factor_range: PositiveRange


@dataclass(frozen=True, slots=True)
class Mode:
    """One period (days) of a pulsation, its half amplitude (magnitudes), phase and phase wander (radians)."""

    period: float
    amplitude: float
    phase: float
    wander: float = 0.0
    wander_phase: float = 0.0


@dataclass(frozen=True, slots=True)
class Pulsation:
    """A pulsating giant of mean magnitude ``i_base``."""

    kind: Kind
    i_base: float
    modes: tuple[Mode, ...]
    asymmetry: float


@dataclass(frozen=True, slots=True)
class Outbursts:
    """Outbursts of one star: peak times (HJD - 2450000), relative heights, rise and decay times (days)."""

    kind: Kind
    i_base: float
    peaks: tuple[float, ...]
    heights: tuple[float, ...]
    rise: float
    decay: float


Variable = Pulsation | Outbursts


def draw_kind(config: VariablesConfig, rng: np.random.Generator) -> Kind:
    """Draw a class in its natural share."""
    weights = np.array([config.stars.get(kind, 0.0) for kind in KINDS])
    return KINDS[int(rng.choice(len(KINDS), p=weights / weights.sum()))]


def draw_variable(
    config: VariablesConfig, season: tuple[float, float], rng: np.random.Generator, kind: Kind | None = None
) -> Variable:
    """Draw a variable star, of a class in its natural share if ``kind`` is None.

    ``season`` is the first and the last HJD - 2450000 observed.
    """
    kind = draw_kind(config, rng) if kind is None else kind
    if kind in {"cv", "flare"}:
        return _draw_outbursts(kind, config, season, rng)
    return _draw_pulsation(kind, config, rng)


def relative_flux(variable: Variable, hjd: Float64Array) -> Float64Array:
    """(F(t) - F_base) / F_base at ``hjd`` (HJD - 2450000), float64 [n]; F_base is that of ``i_base``."""
    if isinstance(variable, Outbursts):
        return _outburst_flux(variable, hjd)
    magnitude = np.zeros(hjd.size)
    for mode in variable.modes:
        turns = 2.0 * np.pi * hjd / mode.period
        # the wander's own period is four and a half cycles
        angle = turns + mode.phase + mode.wander * np.sin(turns / 4.5 + mode.wander_phase)
        magnitude += mode.amplitude * np.sin(angle - variable.asymmetry * np.sin(angle))
    return np.asarray(10.0 ** (-0.4 * magnitude) - 1.0)


def _draw_pulsation(kind: Kind, config: VariablesConfig, rng: np.random.Generator) -> Pulsation:
    ranges: PulsationConfig = getattr(config, kind)
    period, amplitude = _log_uniform(ranges.period_range_d, rng), _log_uniform(ranges.amplitude_range, rng)
    modes = []
    for _ in range(int(rng.integers(1, ranges.modes + 1))):
        wander = ranges.phase_scatter * rng.random()
        modes.append(Mode(period, amplitude, _angle(rng), float(wander), _angle(rng)))
        period *= float(rng.uniform(0.4, 0.8))
        amplitude *= float(rng.uniform(0.4, 1.0))
    if rng.random() < ranges.long_secondary_fraction:
        period = _log_uniform(config.long_secondary_period_range_d, rng)
        modes.append(Mode(period, _log_uniform(config.long_secondary_amplitude_range, rng), _angle(rng)))
    return Pulsation(kind, float(rng.uniform(*ranges.i_range)), tuple(modes), ranges.asymmetry)


def _draw_outbursts(
    kind: Kind, config: VariablesConfig, season: tuple[float, float], rng: np.random.Generator
) -> Outbursts:
    ranges: OutburstConfig = getattr(config, kind)
    interval, height = _log_uniform(ranges.interval_range_d, rng), _log_uniform(ranges.height_range, rng)
    decay = _log_uniform(ranges.decay_range_d, rng)
    start = season[0] - 3.0 * decay - rng.random() * interval
    count = int((season[1] - start) / interval) + 2
    steps = np.maximum(interval * rng.normal(1.0, config.interval_scatter, count), 0.2 * interval)
    peaks = start + np.cumsum(steps)
    peaks = peaks[peaks < season[1]]
    heights = height * rng.uniform(*config.height_factor_range, peaks.size)
    return Outbursts(
        kind=kind,
        i_base=float(rng.uniform(*ranges.i_range)),
        peaks=tuple(peaks.tolist()),
        heights=tuple(heights.tolist()),
        rise=float(rng.uniform(*ranges.rise_range_d)),
        decay=decay,
    )


def _outburst_flux(variable: Outbursts, hjd: Float64Array) -> Float64Array:
    """Sum of the outbursts: a rise from zero as the square of time, an exponential decay."""
    flux = np.zeros(hjd.size)
    for peak, height in zip(variable.peaks, variable.heights, strict=True):
        first, last = np.searchsorted(hjd, (peak - variable.rise, peak + 5.0 * variable.decay))
        after = hjd[first:last] - peak
        rising = (1.0 + np.minimum(after, 0.0) / variable.rise) ** 2
        falling = 10.0 ** (-np.maximum(after, 0.0) / variable.decay)
        flux[first:last] += height * rising * falling
    return flux


def _log_uniform(between: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(between))))


def _angle(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.0, 2.0 * np.pi))
