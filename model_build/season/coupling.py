"""How much of an artefact reaches a star, by where it stands on the chip from the object behind it.

Offsets ``dx`` (along the row, between columns) and ``dy`` (along the column) are in px, float64 [n]
or scalars; every result is a share between 0 and 1.
"""

from __future__ import annotations

import numpy as np

from stream_worker.preprocessing.light_curve import Float64Array


def along_column(
    dx: Float64Array, dy: Float64Array, *, width: float, length: float, reach: float = 3.0
) -> Float64Array:
    """Gaussian across the column, nothing from ``reach`` px off, and e-folding ``length`` px along it."""
    across = np.exp(-0.5 * (dx / width) ** 2)
    return np.where(np.abs(dx) < reach, across * np.exp(-np.abs(dy) / length), 0.0)


def kernel_wing(dx: Float64Array, dy: Float64Array, *, radius: float, reach: float) -> Float64Array:
    """Wing of a point-spread function (Moffat of power 1.5), nothing beyond ``reach`` px."""
    square = dx**2 + dy**2
    return np.where(square <= reach**2, (1.0 + square / radius**2) ** -1.5, 0.0)


def fading(dx: Float64Array, dy: Float64Array, *, radius: float, reach: float) -> Float64Array:
    """Exponential in distance, nothing beyond ``reach`` px."""
    distance = np.hypot(dx, dy)
    return np.where(distance <= reach, np.exp(-distance / radius), 0.0)


def on_spike(
    dx: Float64Array,
    dy: Float64Array,
    angle_deg: Float64Array,
    *,
    radius: float,
    reach: float,
    fall: float,
    width: float,
) -> Float64Array:
    """Four spikes at ``angle_deg`` and every 90 degrees on: (r/radius)^-fall, Gaussian across.

    Nothing within ``radius``, where the star itself is, nor beyond ``reach``.
    """
    distance = np.hypot(dx, dy)
    off = np.degrees(np.arctan2(dy, dx)) - angle_deg
    nearest = np.radians((off + 45.0) % 90.0 - 45.0)
    across = np.exp(-0.5 * (distance * np.sin(nearest) / width) ** 2)
    share = (np.maximum(distance, radius) / radius) ** -fall * across
    return np.where((distance >= radius) & (distance <= reach), share, 0.0)
