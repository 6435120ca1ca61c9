"""When a field was observed at a site: plain values that all parts share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from stream_worker.preprocessing.light_curve import Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class EpochTable:
    """I-band exposures of one field at one site, ascending in time.

    Parameters
    ----------
    site, field : str
        E.g. ``"CTIO"``, ``"BLG02"``.
    hjd : float64 [n]
        HJD - 2450000 on the UTC scale, strictly ascending.
    night : int32 [n]
        Number of the night at that site: local noons since the season began.
    fwhm, sky, airmass : float64 [n]
        Seeing (px of 0.40 arcsec), sky level (ADU) and sec z.
    transparency : float64 [n]
        Share of the light that clouds let through, in (0, 1].
    """

    site: str
    field: str
    hjd: Float64Array
    night: NDArray[np.int32]
    fwhm: Float64Array
    sky: Float64Array
    airmass: Float64Array
    transparency: Float64Array

    def until(self, t_cut: float) -> EpochTable:
        """Return the exposures up to and at ``t_cut`` (views, no copies)."""
        n = int(np.searchsorted(self.hjd, t_cut, side="right"))
        columns = {f.name: getattr(self, f.name)[:n] for f in fields(self)[2:]}
        return EpochTable(self.site, self.field, **columns)


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """The epoch tables of a season, one for each site and field."""

    season: int
    tables: Mapping[tuple[str, str], EpochTable]

    def table(self, site: str, field: str) -> EpochTable:
        """Return the exposures of ``field`` at ``site``; raises KeyError for unknown ones."""
        return self.tables[site, field]
