"""The scatter that quoted errors do not tell of."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np

from model_build.season.epochs import EpochTable
from model_build.season.generators import generator
from model_build.season.sections import Ascending, Limits, Positive
from stream_worker.preprocessing.light_curve import Float64Array

PositiveRange = Annotated[tuple[float, float], Ascending(), Limits(0.0, above_low=True)]

_LONGEST_SPAN = 300.0  # correlation times that exp(2 t / tau) spans without overflow


@dataclass(frozen=True, slots=True)
class ExcessWeights:
    """Weights (Dirichlet) by which a star's excess variance at a site is shared.

    [A] tuned to pySIS files: most of the excess is uncorrelated and grows with the FWHM; residuals of
    successive nights correlate by 0 to 0.1, those of one night by 0.05 to 0.3, those with the FWHM by
    0.05 to 0.25.
    """

    bad_seeing: Positive  # white, and worse the larger the FWHM
    red: Positive
    seeing: Positive  # follows the FWHM, of either sign
    night: Positive  # shared by all stars of a chip
    airmass: Positive  # of either sign


@dataclass(frozen=True, slots=True)
class SystematicsConfig:
    """Scatter beyond the quoted errors. [K] measured on public pySIS files, [A] assumed."""

    scatter_range: PositiveRange  # [K] rms over quoted error at baseline, outliers included
    white: Positive  # [K] the same in the best seeing, without what is shared out below
    outlier_fraction: float  # [A] a third of them end beyond 5 sigma, as in the files
    outlier_sigma: float  # [A] spread of the outliers, quoted errors
    excess: ExcessWeights
    bad_seeing_power_range: PositiveRange  # [K] variance of that part as a power of the FWHM
    red_tau_d: Positive  # [A]
    colour_sigma: float  # [A] of the star's own flux per unit of airmass
    seeing_sigma: float  # [A] of the star's own flux per median FWHM
    error_scale_sigma: float  # [K] of ln quoted error from star to star at one magnitude

    def faults(self) -> list[str]:
        """Say if the least scatter leaves no room for what is below it."""
        floor = self.white**2 + self.outlier_fraction * self.outlier_sigma**2
        if self.scatter_range[0] ** 2 >= floor:
            return []
        return [
            f"scatter_range: {self.scatter_range[0]:g} is below {floor**0.5:.3g} of white noise and outliers"
        ]


@dataclass(frozen=True, slots=True)
class StarNoise:
    """A star's noise at one site: rms amplitudes in quoted errors at baseline, unless said otherwise.

    ``seeing`` and ``airmass`` carry a sign. ``colour`` (per unit of airmass) and ``own_seeing`` (per
    median FWHM) are shares of the star's own flux. ``error_scale`` multiplies the quoted error itself.
    """

    error_scale: float
    white: float
    bad_seeing: float
    bad_seeing_power: float
    red: float
    red_tau_d: float
    seeing: float
    night: float
    airmass: float
    colour: float
    own_seeing: float
    outlier_fraction: float
    outlier_sigma: float


def draw_noise(config: SystematicsConfig, rng: np.random.Generator) -> StarNoise:
    """Draw a star's noise at one site, such that baseline rms over quoted error is in the range."""
    floor = config.white**2 + config.outlier_fraction * config.outlier_sigma**2
    excess = max(float(rng.uniform(*config.scatter_range)) ** 2 - floor, 0.0)
    weights = config.excess
    shares = rng.dirichlet((weights.bad_seeing, weights.red, weights.seeing, weights.night, weights.airmass))
    bad_seeing, red, seeing, night, airmass = np.sqrt(excess * shares).tolist()
    signs = rng.choice((-1.0, 1.0), 2).tolist()
    colour, own_seeing = rng.normal(0.0, (config.colour_sigma, config.seeing_sigma)).tolist()
    return StarNoise(
        error_scale=float(rng.lognormal(0.0, config.error_scale_sigma)),
        white=config.white,
        bad_seeing=bad_seeing,
        bad_seeing_power=float(rng.uniform(*config.bad_seeing_power_range)),
        red=red,
        red_tau_d=config.red_tau_d,
        seeing=signs[0] * seeing,
        night=night,
        airmass=signs[1] * airmass,
        colour=colour,
        own_seeing=own_seeing,
        outlier_fraction=config.outlier_fraction,
        outlier_sigma=config.outlier_sigma,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """The exposures of one chip and what their noise needs, worked out once for all stars on it.

    ``seeing`` is FWHM over its median, less one; ``seeing_shape`` and ``airmass_shape`` have zero mean
    and unit variance; ``night_shape`` is what all stars of the chip share in a night: all float64 [n].
    """

    epochs: EpochTable
    seeing: Float64Array
    seeing_shape: Float64Array
    airmass_shape: Float64Array
    night_shape: Float64Array


def chip_frames(epochs: EpochTable, chip: str, seed: int) -> Frames:
    """Prepare the exposures of a chip; one normal number a night is drawn from the season's ``seed``."""
    n = epochs.hjd.size
    nights = int(epochs.night[-1]) + 1 if n else 0
    shared = generator(seed, "chip nights", epochs.site, epochs.field, chip).normal(size=nights)
    seeing = epochs.fwhm / np.median(epochs.fwhm) - 1.0 if n else np.zeros(0)
    shapes = _standardised(seeing), _standardised(epochs.airmass), shared[epochs.night]
    return Frames(epochs, seeing, *shapes)


def noise_flux(
    total_flux: Float64Array,
    sigma: Float64Array,
    sigma_baseline: float,
    frames: Frames,
    noise: StarNoise,
    rng: np.random.Generator,
) -> Float64Array:
    """Draw the deviations from the true flux, float64 [n], flux units.

    Parameters
    ----------
    total_flux, sigma
        The star's flux, reference not subtracted, and its quoted error, float64 [n].
    sigma_baseline
        Typical quoted error at baseline.
    """
    n = sigma.size
    if not n:
        return np.zeros(0)
    bad = (1.0 + frames.seeing) ** noise.bad_seeing_power
    white = rng.normal(size=n) * np.sqrt(noise.white**2 + noise.bad_seeing**2 / bad.mean() * bad)
    outliers = np.flatnonzero(rng.random(n) < noise.outlier_fraction)
    white[outliers] += rng.normal(0.0, noise.outlier_sigma, outliers.size)
    slow = noise.red * red_noise(frames.epochs.hjd, noise.red_tau_d, rng)
    slow += noise.seeing * frames.seeing_shape + noise.airmass * frames.airmass_shape
    slow += noise.night * frames.night_shape
    own = total_flux * (noise.colour * (frames.epochs.airmass - 1.2) + noise.own_seeing * frames.seeing)
    return np.asarray(white * sigma + slow * sigma_baseline + own)


def red_noise(t: Float64Array, tau: float, rng: np.random.Generator) -> Float64Array:
    """Ornstein-Uhlenbeck process of unit variance and correlation time ``tau`` at ascending ``t``, [n].

    Exact at any spacing: exp(-t/tau) W(exp(2 t/tau)) with a Wiener process W, which is a cumulative sum;
    in stretches short enough for exp not to overflow, each going on where the last one ended.
    """
    x = rng.normal(size=t.size)
    if not t.size:
        return x
    s = (t - t[0]) / tau
    x[1:] *= np.sqrt(-np.expm1(-2.0 * np.diff(s)))
    edges = sorted({0, *np.searchsorted(s, np.arange(_LONGEST_SPAN, s[-1], _LONGEST_SPAN)).tolist(), t.size})
    for first, last in pairwise(edges):
        if first:
            x[first] += x[first - 1] * np.exp(s[first - 1] - s[first])
        growth = np.exp(s[first:last] - s[first])
        x[first:last] = np.cumsum(x[first:last] * growth) / growth
    return x


def _standardised(values: Float64Array) -> Float64Array:
    """Zero mean, unit variance; zeros if constant."""
    if not values.size:
        return values
    deviation = values - values.mean()
    scatter = float(np.sqrt(deviation @ deviation / deviation.size))
    return np.asarray(deviation / scatter) if scatter > 0.0 else np.zeros(values.size)
