"""Step 10: standardisation per site and feature by the training set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_worker.preprocessing import kernels
from stream_worker.preprocessing.features import FEATURES, Prepared
from stream_worker.preprocessing.light_curve import SITES, Float64Array

MAX_STANDARDISED: Final = 100.0
"""Bound of every standardised value: beyond any measurement, harmless to the network."""

_SHAPE: Final = (len(SITES), len(FEATURES))
_FLUX: Final = FEATURES.index("flux")
_FIT_LINE: Final = FEATURES.index("fit_line")
_ONE: Final = FEATURES.index("one")


@dataclass(frozen=True, slots=True, eq=False)
class Standardisation:
    """Mean and standard deviation per site and feature, float64 [3, 12] each, sd > 0.

    Raises
    ------
    ValueError
        If a shape is wrong, a value not finite or an sd not positive.
    """

    mean: Float64Array
    sd: Float64Array

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("sd", self.sd)):
            if values.shape != _SHAPE:
                raise ValueError(f"{name} has shape {values.shape}, expected {_SHAPE}")
            if not np.isfinite(values).all():
                raise ValueError(f"{name} must be finite, got {values.tolist()}")
        if not (self.sd > 0).all():
            raise ValueError(f"sd must be positive, got {self.sd.tolist()}")


def fit_standardisation(prepared: Iterable[Prepared]) -> Standardisation:
    """Derive the standardisation from the (augmented) training set, one candidate at a time.

    Values not measured are left out; the fit line takes the flux's mean and sd (Viaña et al. 2025,
    sec. 5.4); a feature without scatter, or never seen, gets sd 1; the constant and the availability
    channels stay as they are (mean 0, sd 1).
    """
    count, mean, sum_of_squares = (np.zeros(_SHAPE) for _ in range(3))
    for candidate in prepared:
        for site, matrix in enumerate(candidate.sites):
            _accumulate(matrix, count[site], mean[site], sum_of_squares[site])
    sd = np.sqrt(sum_of_squares / np.maximum(count, 1.0))
    sd[~(sd > 1e-12 * np.abs(mean))] = 1.0  # rounding is no scatter
    mean[:, _FIT_LINE], sd[:, _FIT_LINE] = mean[:, _FLUX], sd[:, _FLUX]
    mean[:, _ONE:], sd[:, _ONE:] = 0.0, 1.0
    return Standardisation(mean, sd)


def standardise(
    prepared: Prepared, standardisation: Standardisation
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the network's inputs, float32 [n_site, 12] for CTIO, SAAO, SSO; no data: [0, 12].

    Values not measured become 0, the training mean; all are finite, within `MAX_STANDARDISED`.
    """
    ctio, saao, sso = map(kernels.standardise, prepared.sites, standardisation.mean, standardisation.sd)
    return ctio, saao, sso


def _accumulate(
    matrix: Float64Array, count: Float64Array, mean: Float64Array, sum_of_squares: Float64Array
) -> None:
    """Merge one candidate's rows into the running moments of a site, in place (Chan et al. 1979)."""
    measured = ~np.isnan(matrix)
    n = measured.sum(axis=0)
    total = count + n
    new_mean = np.where(measured, matrix, 0.0).sum(axis=0) / np.maximum(n, 1)
    deviation = np.where(measured, matrix - new_mean, 0.0)
    shift = new_mean - mean
    share = n / np.maximum(total, 1.0)
    sum_of_squares += (deviation**2).sum(axis=0) + shift**2 * count * share
    mean += shift * share
    count[:] = total
