"""Stars close to each other on the sky, across fields and chips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from stream_worker.preprocessing.light_curve import Float64Array, IntArray

_ARCSEC = np.pi / (180.0 * 3600.0)


class Positioned(Protocol):
    """Something at ``ra``, ``dec`` (degrees, ICRS)."""

    @property
    def ra(self) -> float:
        """Right ascension."""

    @property
    def dec(self) -> float:
        """Declination."""


def positions(of: Sequence[Positioned]) -> Float64Array:
    """Return unit vectors [n, 3]; distances between them are chords of great circles.

    Raises
    ------
    ValueError
        If a coordinate is not finite.
    """
    ra, dec = (np.radians([getattr(one, name) for one in of]) for name in ("ra", "dec"))
    bad = np.flatnonzero(~(np.isfinite(ra) & np.isfinite(dec)))
    if bad.size:
        raise ValueError(f"position {bad[0]}: ra {of[bad[0]].ra}, dec {of[bad[0]].dec}; expected finite ones")
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def pairs_within(where: Float64Array, radius_arcsec: float) -> NDArray[np.intp]:
    """Return the pairs i < j [m, 2] of unit vectors ``where`` [n, 3] at most ``radius_arcsec`` apart."""
    if len(where) < 2:
        return np.empty((0, 2), dtype=np.intp)
    chord = 2.0 * np.sin(0.5 * radius_arcsec * _ARCSEC)
    return cKDTree(where).query_pairs(chord, output_type="ndarray")


def friends(n: int, pairs: NDArray[np.intp]) -> IntArray:
    """Return the number [n] of each one's group: those linked by ``pairs`` [m, 2], directly or not."""
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    return group.astype(np.intp)


def neighbours_of(n: int, pairs: NDArray[np.intp]) -> Iterator[list[int]]:
    """Yield for each of ``n`` the others it forms a pair of ``pairs`` [m, 2] with, in ascending order."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    bounds = np.searchsorted(both[:, 0], np.arange(n + 1))
    for i in range(n):
        yield both[bounds[i] : bounds[i + 1], 1].tolist()
