"""What each kernel takes and gives; n rows, bounds as in `Rows`: segment i is ``bounds[i]:bounds[i + 1]``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_worker.preprocessing.light_curve import Float64Array, FloatArray

def stack(parts: list[tuple[FloatArray | None, ...]]) -> Float64Array:
    """Copy parts of `COLUMNS`, each [n_part] or None, into one matrix [7, n].

    What is not measured, infinite or absurd becomes NaN, but for HJD, and -0.0 becomes 0.0.
    """

def judge(columns: Float64Array) -> NDArray[np.int8]:
    """Return, for every row of [7, n], 0 or 1 + the position in `ROW_RULES` of the rule that it breaks.

    An infinite or absurd HJD becomes NaN, in place.
    """

def ascending(columns: Float64Array, bounds: Sequence[int]) -> bool:
    """Tell whether each segment is ascending in HJD without repeats; one with NaN beside a row is not."""

def compress(columns: Float64Array, keep: NDArray[np.uint8]) -> Float64Array:
    """Return the rows of [m, n] where `keep` [n] is not 0."""

def count_missing(columns: Float64Array, source: NDArray[np.intp], n_datasets: int) -> NDArray[np.int64]:
    """Count, per dataset that `source` [n] names and auxiliary of [7, n], the NaN: [n_datasets, 4]."""

def running_median(values: Float64Array, window: int) -> Float64Array:
    """Return the running median [n] over the `window` nearest rows, `window` odd, no NaN.

    Rows near an end take the median of the first or last full window; a series shorter than the
    window takes the largest odd window that fits.
    """

def outliers(
    columns: Float64Array,
    bounds: Sequence[int],
    window: int,
    flux_limit: float,
    flux_limit_below: float,
    support_limit: float,
    auxiliary_limit: float,
) -> list[tuple[int, int, float]]:
    """Return row, position in `OUTLIER_RULES` and deviation in units of the limit; see `find_outliers`."""

def fit_rise(
    hjd: Float64Array, flux: Float64Array, flux_err: Float64Array, t_break: float, min_before: int
) -> tuple[float, float, float, int]:
    """Return baseline, scatter, slope and the number of rows before t_break; see `rise.fit_rise`."""

def channels(
    columns: Float64Array, keep: NDArray[np.uint8], source: NDArray[np.intp], has: NDArray[np.uint8]
) -> Float64Array:
    """Return `FEATURES` [12, m] of the m rows of [7, n] to keep; ``t`` is HJD, ``fit_line`` not filled."""

def relate(
    channels: Float64Array,
    start: int,
    stop: int,
    t_break: float,
    t_last: float,
    baseline: float,
    scatter: float,
    slope: float,
    scaled: bool,
) -> None:
    """Fill, in the rows start:stop of [12, n], ``fit_line``, and count ``t`` from t_last, in place.

    Scaled, flux and line become deviations from the baseline in units of the scatter, and so the errors.
    """

def standardise(matrix: Float64Array, mean: Float64Array, sd: Float64Array) -> NDArray[Any]:
    """Return (matrix [n, 12] - mean [12]) / sd [12], within 100 and with 0 for NaN: float32 [n, 12]."""
