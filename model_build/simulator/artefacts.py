"""What the telescope does to a star: artefacts, which the auxiliary columns give away or follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from model_build.simulator.config import Range, SimulatorConfig
from model_build.simulator.scene import Dataset, Scene
from model_build.simulator.signals import Signal, SignalFunction, Star, log_uniform
from stream_worker.preprocessing.light_curve import Float64Array

_TYPICAL_AIRMASS = 1.2
_MAX_MISFIT = 15.0  # of the PSF chi-square: worse fits are masked by the survey and never seen


def bleed(scene: Scene, star: Star, config: SimulatorConfig, rng: np.random.Generator) -> Signal:
    """Draw a bleed trail: slow turn-on, strong in good seeing and bright sky, worst at one site."""
    kinds = config.kinds
    start, width = scene.place.t_cut - rng.uniform(*kinds.bleed_before), rng.uniform(*kinds.bleed_width)
    seeing_power, sky_power = rng.uniform(*kinds.bleed_seeing_power), rng.uniform(*kinds.bleed_sky_power)

    def at(dataset: Dataset) -> Float64Array:
        scatter = 1.0 + kinds.bleed_scatter * rng.normal(size=dataset.noise.size)
        turn_on = 0.5 * (1.0 + np.tanh(0.5 * (dataset.epochs.hjd - start) / width))
        return np.asarray(
            turn_on * dataset.fwhm_ratio**-seeing_power * dataset.sky_ratio**sky_power * scatter
        )

    factors = _site_factors(scene, kinds.artefact_others, rng)
    return _artefact(
        scene, star, at, _amplitude(star, config, rng), factors, rng.uniform(*kinds.bleed_misfit)
    )


def neighbour(scene: Scene, star: Star, config: SimulatorConfig, rng: np.random.Generator) -> Signal:
    """Draw the wings of a bright variable neighbour: its wave times the seeing, at a site even inverted."""
    kinds = config.kinds
    period, phase = log_uniform(kinds.neighbour_period, rng), rng.uniform(0.0, 2 * np.pi)
    power = rng.uniform(*kinds.neighbour_seeing_power)

    def at(dataset: Dataset) -> Float64Array:
        return np.asarray(np.sin(2 * np.pi * dataset.epochs.hjd / period + phase) * dataset.fwhm_ratio**power)

    factors = _site_factors(scene, kinds.neighbour_others, rng)
    misfit = rng.uniform(*kinds.neighbour_misfit)
    return _artefact(scene, star, at, _amplitude(star, config, rng), factors, misfit)


def spike(scene: Scene, star: Star, config: SimulatorConfig, rng: np.random.Generator) -> Signal:
    """Draw a diffraction spike: steps that lean on the airmass, the last one shortly before t_cut."""
    kinds = config.kinds
    last = scene.place.t_cut - rng.uniform(*kinds.spike_before)
    steps = np.concatenate([[last], last - rng.uniform(*kinds.spike_earlier, rng.integers(0, 3))])
    lengths = rng.uniform(*kinds.spike_length, steps.size)
    lengths[0] = np.inf
    lean = rng.uniform(*kinds.spike_airmass)

    def at(dataset: Dataset) -> Float64Array:
        after = dataset.epochs.hjd[:, None] - steps
        on = np.any((after > 0.0) & (after < lengths), axis=1)
        return np.asarray(on * (1.0 + lean * (dataset.epochs.airmass - _TYPICAL_AIRMASS)))

    factors = _site_factors(scene, kinds.artefact_others, rng)
    return _artefact(
        scene, star, at, _amplitude(star, config, rng), factors, rng.uniform(*kinds.spike_misfit)
    )


def dipole(scene: Scene, star: Star, config: SimulatorConfig, rng: np.random.Generator) -> Signal:
    """Draw a star that moves off its reference image: linear drift, stronger in good seeing."""
    kinds = config.kinds
    span = rng.uniform(*kinds.dipole_before)
    start = scene.place.t_cut - span
    power = rng.uniform(*kinds.dipole_seeing_power)

    def at(dataset: Dataset) -> Float64Array:
        return np.asarray(np.maximum(dataset.epochs.hjd - start, 0.0) / span * dataset.fwhm_ratio**-power)

    factors = _site_factors(scene, kinds.dipole_others, rng)
    return _artefact(
        scene, star, at, _amplitude(star, config, rng), factors, rng.uniform(*kinds.dipole_misfit)
    )


def step(scene: Scene, star: Star, config: SimulatorConfig, rng: np.random.Generator) -> Signal:
    """Draw a jump of the flux level, mostly at one site: a changed mask or reference, no PSF mark."""
    kinds = config.kinds
    start = scene.place.t_cut - rng.uniform(*kinds.step_before)
    others = kinds.step_others_if_alone if rng.random() < kinds.step_one_site else kinds.step_others
    factors = _site_factors(scene, others, rng)
    return _artefact(
        scene,
        star,
        lambda dataset: (dataset.epochs.hjd > start).astype(np.float64),
        _amplitude(star, config, rng),
        factors,
        0.0,
    )


def seeing(scene: Scene, star: Star, config: SimulatorConfig, rng: np.random.Generator) -> Signal:
    """Draw flux that follows the seeing all season, of either sign, different at every site."""
    amplitude = star.error * log_uniform(config.kinds.seeing_amplitude, rng) * rng.choice((-1.0, 1.0))
    factors = _site_factors(scene, config.kinds.seeing_others, rng)
    return _artefact(scene, star, lambda dataset: dataset.fwhm_ratio - 1.0, amplitude, factors, 0.0)


def moonlight(scene: Scene, star: Star, config: SimulatorConfig, rng: np.random.Generator) -> Signal:
    """Draw flux that follows the sky level: moonlight scattered unevenly."""
    amplitude = star.error * log_uniform(config.kinds.sky_amplitude, rng)
    factors = _site_factors(scene, config.kinds.sky_others, rng)
    return _artefact(scene, star, lambda dataset: dataset.sky_ratio - 1.0, amplitude, factors, 0.0)


def _amplitude(star: Star, config: SimulatorConfig, rng: np.random.Generator) -> float:
    return star.error * log_uniform(config.kinds.artefact_amplitude, rng)


def _site_factors(scene: Scene, others: Range, rng: np.random.Generator) -> Mapping[str, float]:
    """One site sees the artefact in full, the others by a factor drawn from ``others``."""
    worst = rng.integers(len(scene.place.sites))
    return {
        site: 1.0 if index == worst else float(rng.uniform(*others))
        for index, site in enumerate(scene.place.sites)
    }


def _artefact(
    scene: Scene,
    star: Star,
    at: Callable[[Dataset], Float64Array],
    amplitude: float,
    factors: Mapping[str, float],
    misfit_per_error: float,
) -> Signal:
    """Return ``amplitude`` times the site's factor times the shape ``at`` a dataset, with its PSF misfit."""
    flux = tuple(amplitude * factors[dataset.epochs.site] * at(dataset) for dataset in scene.datasets)
    misfit = tuple(np.minimum(misfit_per_error * np.abs(f) / star.error, _MAX_MISFIT) for f in flux)
    return Signal(flux, misfit)


ARTEFACTS: Mapping[str, SignalFunction] = MappingProxyType(
    {
        "bleed": bleed,
        "neighbour": neighbour,
        "spike": spike,
        "dipole": dipole,
        "step": step,
        "seeing": seeing,
        "sky": moonlight,
    }
)
