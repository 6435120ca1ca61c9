"""Medians, by numpy's vectorised partition and sort: quicker than a compiled quickselect on fresh data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from stream_worker.preprocessing.light_curve import Float64Array

SIGMA_PER_MAD: Final = 1.4826
"""Standard deviation of a normal distribution in units of its median absolute deviation."""


def median(values: Float64Array) -> float:
    """Return the median of values [n], n >= 1, without NaN."""
    ordered = values.copy()
    half = values.size // 2
    ordered.partition(half)
    upper = ordered[half]
    return float(upper if values.size % 2 else 0.5 * (ordered[:half].max() + upper))


def segment_medians(values: Float64Array, segments: Sequence[tuple[int, int]]) -> Float64Array:
    """Return the median of each segment ``values[start:stop]``, without NaN; NaN for an empty one.

    The segments may not overlap.
    """
    if not values.size:
        return np.full(len(segments), np.nan)
    ordered = values.copy()
    for start, stop in segments:
        ordered[start:stop].sort()
    first, last = np.array(segments, dtype=np.intp).reshape(-1, 2).T - ((0,), (1,))
    middle = (first + last) // 2
    medians: Float64Array = 0.5 * (
        ordered.take(middle, mode="clip") + ordered.take(first + last - middle, mode="clip")
    )
    medians[last < first] = np.nan
    return medians
