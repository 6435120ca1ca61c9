"""The truth table of a season: what each candidate really is, in Parquet; no packet says any of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from model_build.season.neighbours import friends, pairs_within
from model_build.season.tables import read_table, schema_of, write_table
from stream_worker.preprocessing.light_curve import Float64Array, IntArray

TRUTH_FILE: Final = "truth.parquet"
TRUTH_VERSION: Final = "2"


@dataclass(frozen=True, slots=True)
class TruthRow:
    """The truth about one candidate, that is one star in one run.

    Parameters
    ----------
    candidate_id, star_id, run_id, t_cut
        As in the packet; ``run_id`` is the UT day, ``t_cut`` HJD - 2450000.
    label
        yes, maybe or no: of the star; None if it has none.
    selected
        Whether this candidate carries its star's label in the balanced set; one of another labelled star
        does if ``run_id`` is ``last_run_id``.
    first_run_id, last_run_id
        Of the star: the first run that listed it, and the one of its labelled candidate (the last that
        listed it where it has no label).
    new, passed, alerted
        What reviewers did with this candidate: see `labels.Appearance`.
    review_score, rise_snr
        See `review.Stage1`; None where nobody reviewed it.
    event_class
        Of the season-end check; None where none was made.
    kind, parent, source
        Hidden truth: see `stars.Star`.
    cluster
        Stars of a cluster (within 20 arcsec of each other by steps, or of one parent) share it.
    neighbours
        Other stars flagged in the same run within 20 arcsec.
    field, chip, x, y, ra, dec, i_base
        Where and how bright the star is: px on the chip, degrees, I magnitude.
    t_0, u_0, t_E, rho, f_s, pi_E_N, pi_E_E, s, q, alpha
        Of the star's own event, or of the one it is a ghost of; None for all others.
    """

    candidate_id: str
    star_id: str
    run_id: str
    t_cut: float
    label: str | None
    selected: bool
    first_run_id: str
    last_run_id: str
    new: bool
    passed: bool
    alerted: bool
    review_score: float | None
    rise_snr: float | None
    event_class: str | None
    kind: str
    parent: str | None
    source: int
    cluster: int
    neighbours: int
    field: str
    chip: str
    x: float
    y: float
    ra: float
    dec: float
    i_base: float
    t_0: float | None = None
    u_0: float | None = None
    t_E: float | None = None  # noqa: N815 - the field's own name
    rho: float | None = None
    f_s: float | None = None
    pi_E_N: float | None = None  # noqa: N815
    pi_E_E: float | None = None  # noqa: N815
    s: float | None = None
    q: float | None = None
    alpha: float | None = None


TRUTH_SCHEMA: Final = schema_of(TruthRow, "lensnet.truth_version", TRUTH_VERSION)
"""Columns of the table, in the order of `TruthRow`; those that may be None are nullable."""


def write_truth(path: Path, rows: Iterable[TruthRow]) -> int:
    """Write the table, whole or not at all, and return the number of rows.

    Equal rows in equal order give equal bytes. An existing file is replaced.
    """
    return write_table(path, rows, TRUTH_SCHEMA)


def read_truth(path: Path) -> tuple[TruthRow, ...]:
    """Return the rows of a truth table.

    Raises
    ------
    BadTable
        If the file is no Parquet file, or its version or columns are others than this code's.
    FileNotFoundError
        If there is no such file.
    """
    columns = read_truth_table(path).to_pydict()
    return tuple(TruthRow(*values) for values in zip(*columns.values(), strict=True))


def read_truth_table(path: Path) -> pa.Table:
    """Return the table as Arrow; raises as `read_truth`."""
    return read_table(path, TRUTH_SCHEMA)


def clusters(
    ra: Float64Array, dec: Float64Array, parents: Sequence[str | None], arcsec: float = 20.0
) -> IntArray:
    """Group stars that are linked by steps of at most ``arcsec`` or by a common parent.

    Parameters
    ----------
    ra, dec : float64 [n]
        Degrees.
    parents
        Ids of the objects behind the stars; None links nothing.

    Returns
    -------
    intp [n]
        Numbers of the clusters from 0, in order of their first star.
    """
    n = len(parents)
    if not n:
        return np.zeros(0, dtype=np.intp)
    alpha, delta = np.radians(ra), np.radians(dec)
    where = np.stack([np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)], axis=-1)
    near = pairs_within(where, arcsec)
    first_of: dict[str, int] = {}
    kin = [(first_of.setdefault(parent, i), i) for i, parent in enumerate(parents) if parent is not None]
    links = np.concatenate([near, np.array(kin, dtype=np.intp).reshape(-1, 2)])
    group = friends(n, links)
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], dtype=np.intp)
