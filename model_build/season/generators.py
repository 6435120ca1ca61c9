"""Random generators named after what they draw, so that no result depends on the order of the work."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """Return the generator of ``key``, e.g. ``generator(seed, "weather", "CTIO")`` or ``(seed, "star", 12)``.

    Parameters
    ----------
    seed : int
        Of the whole season, not negative.
    key : str or int
        Names (hashed with CRC-32) and numbers, not negative, of what is drawn.
    """
    words = [part if isinstance(part, int) else crc32(part.encode()) for part in key]
    return np.random.default_rng([seed, *words])
