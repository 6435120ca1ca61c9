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
    """Chances per candidate and epoch: of losing each site, each auxiliary column, all of these.

    ``rows`` is the largest share of the observations that is lost, drawn anew from 0 to it.
    """

    site: float = 0.1
    column: float = 0.1
    all_columns: float = 0.1
    rows: float = 0.0

    def __post_init__(self) -> None:
        for name in ("site", "column", "all_columns"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be from 0 to 1, got {getattr(self, name)}")
        if not 0.0 <= self.rows < 1.0:
            raise ValueError(f"rows must be from 0 to below 1, got {self.rows}")


def lose(branches: Branches, losses: Losses, rng: np.random.Generator) -> Branches:
    """Return a copy that lacks sites, columns and rows at random; some site keeps its newest row.

    A lost column looks as preprocessing leaves one not measured: 0 after standardisation (the training
    mean), and its availability channel 0.
    """
    observed = [place for place, rows in enumerate(branches) if len(rows)]
    kept = [place for place in observed if rng.random() >= losses.site]
    if not kept:
        kept = [observed[rng.integers(len(observed))]]
    lost = rng.random(len(_OPTIONAL)) < (1.0 if rng.random() < losses.all_columns else losses.column)
    columns = [column for pair, gone in zip(_OPTIONAL, lost, strict=True) if gone for column in pair]
    stays = 1.0 - losses.rows * rng.random()
    series = [
        _sparser(rows, stays, rng) if place in kept else rows[:0].copy()
        for place, rows in enumerate(branches)
    ]
    for rows in series:
        rows[:, columns] = 0.0
    ctio, saao, sso = series
    return ctio, saao, sso


def _sparser(rows: NDArray[np.float32], stays: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Copy the rows that stay, each with that chance, the newest for certain."""
    if stays >= 1.0:
        return rows.copy()
    kept = rng.random(len(rows)) < stays
    kept[-1] = True
    return rows[kept]
