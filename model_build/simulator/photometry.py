"""Quoted errors, the scatter they do not tell of, and the dirt of real files."""

from __future__ import annotations

import numpy as np

from model_build.simulator.config import SimulatorConfig
from model_build.simulator.schedule import Epochs
from stream_worker.preprocessing.light_curve import Float64Array

ZERO_POINT = 28.0
_STEPS_PER_TAU = 15.0  # grid on which red noise is drawn; interpolation between its points is harmless
_APART = 10 * int(_STEPS_PER_TAU)
# Shares of the excess variance: red noise, seeing, night to night, airmass (mean shares 6:2.4:3:1.6 of 13).
_EXCESS_SHARES = (3.0, 1.2, 1.5, 0.8)


def flux_of_magnitude(magnitude: float) -> float:
    """Flux at zero point 28."""
    return float(10.0 ** (0.4 * (ZERO_POINT - magnitude)))


def quoted_error(flux: Float64Array, epochs: Epochs, config: SimulatorConfig) -> Float64Array:
    """1-sigma error the pipeline quotes for a star of total ``flux``, float64 [n]."""
    sky_variance = config.sky_noise * config.psf_area * epochs.fwhm**2 * epochs.sky_background
    variance = np.maximum(flux, 0.0) / config.gain + sky_variance + (config.flux_floor * flux) ** 2
    return np.asarray(np.sqrt(variance) / epochs.transparency)


def red_noise(t: Float64Array, tau: float, rng: np.random.Generator) -> Float64Array:
    """Ornstein-Uhlenbeck process of unit variance and correlation time ``tau`` (days) at ascending ``t``.

    Drawn on a regular grid as a circular autoregression, whose filter is a product in Fourier space,
    and interpolated; the circle is long enough for its ends not to know of each other.
    """
    if not t.size:
        return np.zeros(0)
    step = tau / _STEPS_PER_TAU
    rho = np.exp(-step / tau)
    n = int((t[-1] - t[0]) / step) + 3
    kicks = rng.normal(0.0, np.sqrt(1.0 - rho**2), n + _APART)
    transfer = 1.0 / (1.0 - rho * np.exp(-2j * np.pi * np.fft.rfftfreq(kicks.size)))
    walk = np.fft.irfft(np.fft.rfft(kicks) * transfer, kicks.size)
    return np.interp(t, t[0] + step * np.arange(n), walk[:n])


def noise_in_sigma(
    epochs: Epochs, ratio: float, shares: Float64Array, config: SimulatorConfig, rng: np.random.Generator
) -> Float64Array:
    """Draw deviations in units of the quoted error, float64 [n], rms ``ratio`` before outliers.

    White noise a little above the quoted error, the rest shared by red noise, seeing, nights and
    airmass by ``shares`` [4] (`excess_shares`); outliers on top.
    """
    n = epochs.hjd.size
    if not n:
        return np.zeros(0)
    nightly = rng.normal(size=int(epochs.night[-1]) + 1)[epochs.night]
    terms = (
        red_noise(epochs.hjd, config.red_noise_tau_d, rng),
        np.sign(rng.normal()) * _standardised(epochs.fwhm / np.median(epochs.fwhm)),
        nightly,
        np.sign(rng.normal()) * _standardised(epochs.airmass),
    )
    excess = ratio**2 - config.white_excess**2
    noise = rng.normal(0.0, config.white_excess, n)
    for share, term in zip(shares, terms, strict=True):
        noise += np.sqrt(excess * share) * term
    outlier = rng.random(n) < config.outlier_fraction
    return np.asarray(noise + outlier * rng.choice((-1.0, 1.0), n) * config.outlier_sigma)


def excess_shares(rng: np.random.Generator) -> Float64Array:
    """Draw how a star's excess variance at one site is shared: red noise, seeing, nights, airmass."""
    return np.asarray(rng.dirichlet(_EXCESS_SHARES))


def psf_quality(misfit: Float64Array, config: SimulatorConfig, rng: np.random.Generator) -> Float64Array:
    """Reduced chi-square of the PSF fit: log-normal about one, raised by an artefact's ``misfit`` [n]."""
    return np.asarray(np.exp(rng.normal(0.0, config.psf_quality_sigma, misfit.size)) * (1.0 + misfit))


def _standardised(values: Float64Array) -> Float64Array:
    deviation = values - values.mean()
    scatter = float(deviation.std())
    return np.asarray(deviation / scatter if scatter > 0 else deviation)
