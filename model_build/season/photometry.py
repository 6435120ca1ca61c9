"""Quoted errors, reference offsets, and the columns of a light curve as the pipeline writes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_build.season.epochs import EpochTable
from model_build.season.noise import Frames, StarNoise, noise_flux
from model_build.season.sections import NonNegative, Positive
from stream_worker.preprocessing.light_curve import Float64Array

ZERO_POINT = 28.0
Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PhotometryConfig:
    """Quoted errors and dirt. [K] fitted to or counted in public pySIS files, [A] assumed.

    The error follows sigma^2 = [F / gain + sky_noise (FWHM^2 + fwhm_floor) (sky + sky_floor)
    + (flux_floor F)^2] / T^2, F and sigma at zero point 28.
    """

    gain: Positive  # [K]
    sky_noise: Positive  # [K] 0.49, 0.54, 0.36 at CTIO, SAAO, SSO for 2,500 points of one faint event
    fwhm_floor: NonNegative  # [K] px^2: errors grow as FWHM^0.75 only
    sky_floor: NonNegative  # [K] ADU: and as sky^0.27
    flux_floor: NonNegative  # [K]
    psf_quality_sigma: float  # [A] of ln psf_quality about 1
    no_fwhm_fraction: float  # [K] fwhm = -1: 3.4, 4.5 and 6.2 % of the rows of three files
    negative_error_fraction: float  # [M] none in 2,823 rows of three files
    bad_psf_fraction: float  # [A] psf_quality > 100
    reference_sigma: float  # [A] offset of the reference from the baseline, in quoted errors
    reference_signal_fraction: float  # [A] of references taken while the star was as it then was
    reference_stretch_d: Positive  # [A] over which the images of such a reference were taken


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """The columns of one dataset, each float32 [n]; flux and error at zero point 28, FWHM in px."""

    flux: Float32Array
    flux_err: Float32Array
    sky_background: Float32Array
    fwhm: Float32Array
    airmass: Float32Array
    psf_quality: Float32Array


def flux_of_magnitude(magnitude: float) -> float:
    """Flux at zero point 28."""
    return float(10.0 ** (0.4 * (ZERO_POINT - magnitude)))


def observe(
    delta_flux: Float64Array,
    baseline_flux: float,
    misfit: Float64Array | None,
    frames: Frames,
    noise: StarNoise,
    config: PhotometryConfig,
    rng: np.random.Generator,
) -> Observed:
    """Observe a star in one dataset.

    Parameters
    ----------
    delta_flux
        True flux less the baseline, float64 [n].
    baseline_flux
        Of the catalogued star (`flux_of_magnitude`).
    misfit
        By how much the reduced PSF chi-square exceeds one, float64 [n]; None for zeros.
    frames
        The exposures of the star's chip in this dataset (`noise.chip_frames`).
    noise
        The star's noise at the site (`noise.draw_noise`).
    rng
        Of this star and dataset alone.
    """
    epochs, n = frames.epochs, delta_flux.size
    total = baseline_flux + delta_flux
    sky = _sky_variance(epochs, config)
    scale = noise.error_scale / epochs.transparency
    sigma = scale * np.sqrt(_variance(total, sky, config))
    typical = float(np.median(scale * np.sqrt(_variance(baseline_flux, sky, config)))) if n else 0.0
    reference = _reference_flux(delta_flux, typical, epochs, config, rng)
    flux = delta_flux - reference + noise_flux(total, sigma, typical, frames, noise, rng)
    quality = np.exp(rng.normal(0.0, config.psf_quality_sigma, n))
    if misfit is not None:
        quality *= 1.0 + misfit
    negative_error = rng.random(n) < config.negative_error_fraction
    no_fwhm = rng.random(n) < config.no_fwhm_fraction
    bad_psf = rng.random(n) < config.bad_psf_fraction
    return Observed(
        flux=flux.astype(np.float32),
        flux_err=np.where(negative_error, -sigma, sigma).astype(np.float32),
        sky_background=epochs.sky.astype(np.float32),
        fwhm=np.where(no_fwhm, -1.0, epochs.fwhm).astype(np.float32),
        airmass=epochs.airmass.astype(np.float32),
        psf_quality=np.where(bad_psf, 100.0 + 1000.0 * rng.random(n), quality).astype(np.float32),
    )


def _sky_variance(epochs: EpochTable, config: PhotometryConfig) -> Float64Array:
    return config.sky_noise * (epochs.fwhm**2 + config.fwhm_floor) * (epochs.sky + config.sky_floor)


def _variance(
    total_flux: Float64Array | float, sky_variance: Float64Array, config: PhotometryConfig
) -> Float64Array:
    photons = np.maximum(total_flux, 0.0) / config.gain
    return np.asarray(sky_variance + photons + (config.flux_floor * total_flux) ** 2)


def _reference_flux(
    delta_flux: Float64Array,
    typical_error: float,
    epochs: EpochTable,
    config: PhotometryConfig,
    rng: np.random.Generator,
) -> float:
    """Draw the flux of the reference image less the baseline, which at times is that of the event."""
    offset = config.reference_sigma * typical_error * float(rng.normal())
    contains_signal, where = rng.random(2).tolist()
    if contains_signal >= config.reference_signal_fraction or not delta_flux.size:
        return offset
    start = epochs.hjd[int(where * epochs.hjd.size)]
    first, last = np.searchsorted(epochs.hjd, (start, start + config.reference_stretch_d))
    return offset + float(delta_flux[first:last].mean())
