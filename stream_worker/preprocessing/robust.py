"""The median, by numpy's vectorised partition."""

from __future__ import annotations

from stream_worker.preprocessing.light_curve import Float64Array


def median(values: Float64Array) -> float:
    """Return the median of values [n], n >= 1, without NaN."""
    ordered = values.copy()
    half = values.size // 2
    ordered.partition(half)
    upper = ordered[half]
    return float(upper if values.size % 2 else 0.5 * (ordered[:half].max() + upper))
