"""Light curves with a given signal, for tests of what looks at flux alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stream_worker.preprocessing import SITE_POSITIONS, SITES, LightCurve

FIRST, LAST = 9270.0, 9500.0
Signal = Callable[[np.ndarray], np.ndarray]


def point_lens(t: np.ndarray, t_0: float, u_0: float, t_e: float) -> np.ndarray:
    u = np.hypot(u_0, (t - t_0) / t_e)
    return (u**2 + 2.0) / (u * np.sqrt(u**2 + 4.0)) - 1.0


def flat(t: np.ndarray) -> np.ndarray:
    return np.zeros_like(t)


def make_curves(
    signal: Signal | Sequence[Signal],
    seed: int,
    *,
    last: float = LAST,
    error: float = 300.0,
    scatter: float = 1.8,
    sites: Sequence[str] = SITES,
    per_night: int = 6,
) -> list[LightCurve]:
    """One dataset per site from FIRST to ``last``: a third of the nights lost, any offset, no auxiliaries."""
    rng = np.random.default_rng(seed)
    signals = [signal] * len(sites) if callable(signal) else signal
    curves = []
    for site, at in zip(sites, signals, strict=True):
        midnight = 0.5 - SITE_POSITIONS[site].longitude / 360.0
        nights = np.arange(np.floor(FIRST), np.ceil(last))
        nights = nights[rng.random(nights.size) > 1.0 / 3.0]
        hjd = np.sort(
            (nights[:, None] + midnight + rng.uniform(-0.15, 0.15, (nights.size, per_night))).ravel()
        )
        hjd = hjd[(hjd > FIRST) & (hjd < last)]
        quoted = error * rng.lognormal(0.0, 0.2, hjd.size)
        noise = quoted * rng.normal(0.0, 1.3, hjd.size)
        nightly = rng.normal(0.0, error * np.sqrt(scatter**2 - 1.3**2) * 0.4, int(np.ceil(last - FIRST)) + 3)
        flux = at(hjd) + noise + nightly[(hjd - FIRST).astype(int)] + rng.normal(0.0, 5.0 * error)
        curves.append(LightCurve(site, "BLG01", hjd, flux.astype(np.float32), quoted.astype(np.float32)))
    return curves
