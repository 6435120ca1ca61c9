"""Data lost at random in training: whole sites and auxiliary columns, as real packets lack them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_worker.batching import Branches
from stream_worker.preprocessing import FEATURES

_OPTIONAL = (
    (FEATURES.index("sky_background"), FEATURES.index("has_sky")),
    (FEATURES.index("fwhm"), FEATURES.index("has_fwhm")),
    (FEATURES.index("psf_quality"), FEATURES.index("has_psf_quality")),
)


@dataclass(frozen=True, slots=True)
class Losses:
    """Chances per candidate and epoch: of losing each site, each auxiliary column, all of these."""

    site: float = 0.12
    column: float = 0.12
    all_columns: float = 0.2


def lose(branches: Branches, losses: Losses, rng: np.random.Generator) -> Branches:
    """Return a copy that lacks sites and columns at random; at least one site with data stays.

    A lost column looks as preprocessing leaves one not measured: 0 after standardisation (the training
    mean), and its availability channel 0.
    """
    observed = [place for place, rows in enumerate(branches) if len(rows)]
    kept = [place for place in observed if rng.random() >= losses.site]
    if not kept:
        kept = [observed[rng.integers(len(observed))]]
    lost = rng.random(len(_OPTIONAL)) < (1.0 if rng.random() < losses.all_columns else losses.column)
    columns = [column for pair, gone in zip(_OPTIONAL, lost, strict=True) if gone for column in pair]
    series = [rows.copy() if place in kept else rows[:0] for place, rows in enumerate(branches)]
    for rows in series:
        rows[:, columns] = 0.0
    ctio, saao, sso = series
    return ctio, saao, sso


def thin(branches: Branches, max_rows: int, rng: np.random.Generator) -> Branches:
    """Return at most ``max_rows`` of each site's rows, drawn at random, always with the newest.

    What is left looks like a star of a field observed less often; training on it is quicker.
    """
    ctio, saao, sso = (_thin_site(rows, max_rows, rng) for rows in branches)
    return ctio, saao, sso


def _thin_site(rows: NDArray[np.float32], max_rows: int, rng: np.random.Generator) -> NDArray[np.float32]:
    if len(rows) <= max_rows:
        return rows
    older = rng.choice(len(rows) - 1, max_rows - 1, replace=False)
    kept: NDArray[np.float32] = rows[np.append(np.sort(older), len(rows) - 1)]
    return kept
