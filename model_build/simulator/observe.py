"""From a scene and a signal to the light curves of a packet."""

from __future__ import annotations

import numpy as np

from model_build.simulator.config import SimulatorConfig
from model_build.simulator.photometry import flux_of_magnitude, psf_quality, quoted_error
from model_build.simulator.scene import Dataset, Scene
from model_build.simulator.signals import Signal, Star
from stream_worker.preprocessing import LightCurve
from stream_worker.preprocessing.light_curve import Float64Array, FloatArray

_SENTINEL_FWHM = -1.0
_SENTINEL_PSF_QUALITY = 999.0
_N_RECENT = 20


def make_star(scene: Scene, i_base: float, config: SimulatorConfig) -> Star:
    """Return the star of magnitude ``i_base`` with the median error quoted for it in this scene."""
    flux = flux_of_magnitude(i_base)
    errors = [quoted_error(np.asarray(flux), dataset.epochs, config) for dataset in scene.datasets]
    return Star(i_base=i_base, flux=flux, error=float(np.median(np.concatenate(errors))))


def could_trigger(signal: Signal, error: float) -> bool:
    """Tell cheaply whether some dataset's newest points may come out high: a third of them at 2 errors."""
    for flux in signal.flux:
        recent = flux[-_N_RECENT:]
        if recent.size and np.sum(recent - np.median(flux) > 2.0 * error) >= _N_RECENT // 3:
            return True
    return False


def observe(
    scene: Scene, star: Star, signal: Signal, config: SimulatorConfig, rng: np.random.Generator
) -> tuple[LightCurve, ...]:
    """Return what the packet holds: difference flux with noise, offset, sentinels; no empty datasets."""
    return tuple(
        _observe_dataset(dataset, star, flux, misfit, config, rng)
        for dataset, flux, misfit in zip(scene.datasets, signal.flux, signal.misfit, strict=True)
        if dataset.epochs.hjd.size
    )


def _observe_dataset(
    dataset: Dataset,
    star: Star,
    flux: Float64Array,
    misfit: Float64Array,
    config: SimulatorConfig,
    rng: np.random.Generator,
) -> LightCurve:
    epochs = dataset.epochs
    error = quoted_error(np.maximum(star.flux + flux, 0.0), epochs, config)
    offset = dataset.reference * np.median(error) + dataset.reference_share * np.max(np.abs(flux))
    quality = psf_quality(misfit, config, rng)
    quality[rng.random(quality.size) < config.bad_psf_quality_fraction] = _SENTINEL_PSF_QUALITY
    fwhm = np.where(rng.random(error.size) < config.bad_fwhm_fraction, _SENTINEL_FWHM, epochs.fwhm)
    quoted = np.where(rng.random(error.size) < config.bad_flux_err_fraction, -error, error)
    auxiliaries = {
        "sky_background": epochs.sky_background,
        "fwhm": fwhm,
        "airmass": epochs.airmass,
        "psf_quality": quality,
    }
    return LightCurve(
        site=epochs.site,
        dataset=epochs.dataset,
        hjd=epochs.hjd,
        flux=_packed(flux + error * dataset.noise - offset),
        flux_err=_packed(quoted),
        **{name: None if name in dataset.missing else _packed(auxiliaries[name]) for name in auxiliaries},
    )


def _packed(values: Float64Array) -> FloatArray:
    """Return values with the precision that a packet carries."""
    return values.astype(np.float32)
