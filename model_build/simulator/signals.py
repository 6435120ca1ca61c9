"""What happens to a star: light curves of real sources in the sky, seen alike by all sites."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from model_build.simulator.config import Range, SimulatorConfig
from model_build.simulator.photometry import red_noise
from model_build.simulator.scene import Scene
from stream_worker.preprocessing.light_curve import Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class Star:
    """The catalogued star: I magnitude at baseline, its flux, and its typical quoted error."""

    i_base: float
    flux: float
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """A signal as each dataset of a scene sees it.

    ``flux`` and ``misfit`` hold one float64 [n] per dataset: flux above the baseline, and how much the
    PSF chi-square rises (zero for anything in the sky). ``parameters`` go to the truth table.
    """

    flux: tuple[Float64Array, ...]
    misfit: tuple[Float64Array, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)


SignalFunction = Callable[[Scene, Star, SimulatorConfig, np.random.Generator], Signal]


def log_uniform(between: Range, rng: np.random.Generator) -> float:
    """Draw from a density flat in ln x."""
    return float(np.exp(rng.uniform(*np.log(between))))


def draw_magnitude(config: SimulatorConfig, rng: np.random.Generator) -> float:
    """Draw I from dN/dI proportional to 10^(slope I) within the survey's range."""
    low, high = (10.0 ** (config.i_slope * i) for i in config.i_range)
    return float(np.log10(rng.uniform(low, high)) / config.i_slope)


def in_sky(
    scene: Scene, at: Callable[[Float64Array], Float64Array], parameters: Mapping[str, float] | None = None
) -> Signal:
    """Return a signal that all sites see alike, the flux ``at`` times t, and that leaves the PSF alone."""
    flux = tuple(at(dataset.epochs.hjd) for dataset in scene.datasets)
    return Signal(flux, _no_misfit(scene), parameters or {})


def _no_misfit(scene: Scene) -> tuple[Float64Array, ...]:
    return tuple(np.zeros(dataset.epochs.hjd.size) for dataset in scene.datasets)


def pspl_magnification(t: Float64Array, t_0: float, u_0: float, t_e: float) -> Float64Array:
    """Point source, point lens (Paczynski 1986): A = (u^2 + 2) / (u sqrt(u^2 + 4))."""
    u_squared = u_0**2 + ((t - t_0) / t_e) ** 2
    return np.asarray((u_squared + 2.0) / np.sqrt(u_squared * (u_squared + 4.0)))


def pspl(scene: Scene, star: Star, config: SimulatorConfig, rng: np.random.Generator) -> Signal:
    """Draw a microlensing event that is rising at t_cut, or has just passed its peak."""
    t_e = float(np.clip(rng.lognormal(np.log(config.t_e_median_d), config.t_e_sigma), *config.t_e_range_d))
    t_0 = scene.place.t_cut - rng.uniform(*config.phase_range) * t_e
    u_0 = max(rng.random(), 1e-3)
    f_s = 1.0 if rng.random() < config.unblended else log_uniform(config.blend_range, rng)
    parameters = {"t_0": t_0, "t_E": t_e, "u_0": u_0, "f_s": f_s}
    return in_sky(scene, lambda t: f_s * star.flux * (pspl_magnification(t, t_0, u_0, t_e) - 1.0), parameters)


def sinusoid(scene: Scene, star: Star, config: SimulatorConfig, rng: np.random.Generator) -> Signal:
    """Draw a pulsating giant: one period with a harmonic, in half of them a second period."""
    kinds = config.kinds
    period = log_uniform(kinds.sinusoid_period, rng)
    second = period * rng.uniform(*kinds.sinusoid_second_period)
    amplitude = star.flux * log_uniform(kinds.sinusoid_amplitude, rng)
    harmonic = rng.uniform(*kinds.sinusoid_harmonic)
    other = rng.uniform(*kinds.sinusoid_second) * rng.integers(2)
    phases = rng.uniform(0.0, 2 * np.pi, 3)

    def at(t: Float64Array) -> Float64Array:
        angle = 2 * np.pi * t / period
        wave = np.sin(angle + phases[0]) + harmonic * np.sin(2 * angle + phases[1])
        return np.asarray(amplitude * (wave + other * np.sin(2 * np.pi * t / second + phases[2])))

    return in_sky(scene, at)


def outburst(scene: Scene, star: Star, config: SimulatorConfig, rng: np.random.Generator) -> Signal:
    """Draw a cataclysmic variable: rise in hours to days, decay in days, often not the first time."""
    kinds = config.kinds
    rise, decay = rng.uniform(*kinds.outburst_rise), rng.uniform(*kinds.outburst_decay)
    intervals = rng.uniform(*kinds.outburst_recurrence) * rng.normal(1.0, 0.1, rng.integers(0, 8))
    newest = scene.place.t_cut - rng.uniform(*kinds.outburst_before)
    peaks = newest - np.concatenate([[0.0], np.cumsum(np.maximum(intervals, decay))])
    heights = star.error * log_uniform(kinds.outburst_amplitude, rng) * rng.uniform(0.6, 1.2, peaks.size)
    return in_sky(scene, lambda t: np.asarray(_burst(t[:, None] - peaks, rise, decay) @ heights))


def flare(scene: Scene, star: Star, config: SimulatorConfig, rng: np.random.Generator) -> Signal:
    """Draw a stellar flare: minutes up, hours down, in the last day."""
    kinds = config.kinds
    peak = scene.place.t_cut - rng.uniform(*kinds.flare_before)
    rise, decay = rng.uniform(*kinds.flare_rise), log_uniform(kinds.flare_decay, rng)
    amplitude = star.error * log_uniform(kinds.flare_amplitude, rng)
    return in_sky(scene, lambda t: amplitude * _burst(t - peak, rise, decay))


def _burst(after: Float64Array, rise: float, decay: float) -> Float64Array:
    """Exponential rise to one at ``after`` = 0 and exponential decay."""
    return np.asarray(np.exp(np.where(after < 0.0, after / rise, -after / decay)))


def irregular(scene: Scene, star: Star, config: SimulatorConfig, rng: np.random.Generator) -> Signal:
    """Draw a red-noise excursion: a random walk with memory, partly shared by the sites."""
    kinds = config.kinds
    tau = log_uniform(kinds.red_noise_tau, rng)
    amplitude = star.error * log_uniform(kinds.red_noise_amplitude, rng)
    shared = rng.random()
    times = np.unique(np.concatenate([dataset.epochs.hjd for dataset in scene.datasets]))
    common = red_noise(times, tau, rng)
    walks = {
        site: amplitude * (np.sqrt(shared) * common + np.sqrt(1.0 - shared) * red_noise(times, tau, rng))
        for site in scene.place.sites
    }
    flux = tuple(
        walks[dataset.epochs.site][np.searchsorted(times, dataset.epochs.hjd)] for dataset in scene.datasets
    )
    return Signal(flux, _no_misfit(scene))


SIGNALS: Mapping[str, SignalFunction] = MappingProxyType(
    {
        "pspl": pspl,
        "sinusoid": sinusoid,
        "outburst": outburst,
        "flare": flare,
        "red_noise": irregular,
    }
)
