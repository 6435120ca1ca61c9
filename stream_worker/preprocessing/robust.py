"""The median, by numpy's vectorised partition: quicker than a compiled quickselect on fresh data."""

from __future__ import annotations

from typing import Final

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
