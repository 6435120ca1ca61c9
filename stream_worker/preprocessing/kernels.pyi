"""What each kernel takes and gives; n rows, bounds as in `Rows`: segment i is ``bounds[i]:bounds[i + 1]``.

Matrices are contiguous, but for those of `interleave`, `night_offset` and `standardise`.
"""

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

def select(
    columns: Float64Array, keep: NDArray[np.uint8], bounds: Sequence[int]
) -> tuple[Float64Array, tuple[int, ...]]:
    """Return the rows of [m, n] where `keep` [n] is not 0, and where the segments then lie."""

def count_rules(rule: NDArray[np.int8], bounds: Sequence[int], n_rules: int) -> list[list[int]]:
    """Count, per segment, the rows that each of `n_rules` rules removes, `rule` [n] being that of `judge`."""

def count_missing(columns: Float64Array, source: NDArray[np.intp], n_datasets: int) -> NDArray[np.int64]:
    """Count, per dataset that `source` [n] names and auxiliary of [7, n], the NaN: [n_datasets, 4]."""

def interleave(
    columns: Float64Array, source: NDArray[np.intp], other: Float64Array, its_source: int, offset: float
) -> tuple[Float64Array, NDArray[np.intp]]:
    """Add a dataset [7, m], its flux moved by an offset, to [7, n] with `source` [n], both ascending in HJD.

    At an HJD that both have, the row already there stays.
    """

def night_offset(one: Float64Array, other: Float64Array, longitude: float) -> tuple[int, float]:
    """Return how many nights are common, and the median over them of the difference of the mean fluxes.

    One minus other, [7, n] and [7, m], inverse-variance means of nights from noon to noon in the local mean
    time of a longitude in degrees; NaN without a common night.
    """

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
) -> list[tuple[float, int, int]]:
    """Return, worst first, minus the deviation in units of the limit, row, and position in `OUTLIER_RULES`.

    See `find_outliers`.
    """

def fit_rises(
    rows: Float64Array, bounds: Sequence[int], t_break: float, min_before: int
) -> list[tuple[float, float, float, int] | None]:
    """Return baseline, scatter, slope and the number of rows before t_break; see `rise.fit_rises`."""

def channels(
    columns: Float64Array,
    keep: NDArray[np.uint8],
    bounds: Sequence[int],
    source: NDArray[np.intp],
    has: NDArray[np.uint8],
) -> tuple[Float64Array, tuple[int, ...]]:
    """Return `FEATURES` [12, m] of the m rows of [7, n] to keep, and where the segments then lie.

    Channel ``t`` is still the HJD, ``fit_line`` is not yet filled.
    """

def relate(
    channels: Float64Array,
    bounds: Sequence[int],
    lines: Sequence[tuple[float, float, float]],
    t_break: float,
    t_last: float,
    scaled: bool,
) -> None:
    """Fill ``fit_line`` [12, n] by baseline, slope and scatter of each segment, and count ``t`` from t_last.

    Scaled, flux and line become deviations from the baseline in units of the scatter, and so the errors.
    In place.
    """

def standardise(matrix: Float64Array, mean: Float64Array, sd: Float64Array) -> NDArray[Any]:
    """Return (matrix [n, 12] - mean [12]) / sd [12], within 100 and with 0 for NaN: float32 [n, 12]."""
