"""What the report keeps of each candidate after one pass over the packets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from model_build.progress import Progress
from model_build.season.baselines import auxiliary_features, classical_features, date_and_count_features
from model_build.season.review import ReviewConfig, unerring
from model_build.season.truth import TruthRow
from model_build.season_report.archive import Archive
from stream_worker.candidate import Candidate
from stream_worker.preprocessing import SITES
from stream_worker.preprocessing.light_curve import Float64Array, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Features of the labelled candidates, one row each, for simple classifiers.

    ``rows`` have their review score even where nobody reviewed them, so that its absence tells nothing.
    """

    rows: tuple[TruthRow, ...]
    classical: Float64Array
    auxiliary: Float64Array
    date_and_counts: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """Numbers of all candidates, in the order of the packets.

    Parameters
    ----------
    rows
        The truth.
    rise_days : float64 [n]
        t_cut - t_break.
    delta_chi2 : float64 [n]
        Of AlertFinder's broken line.
    observations : int [n, 3]
        At each site up to t_cut, all datasets.
    shown
        Candidates asked for, by id.
    features
        None where not asked for.
    """

    rows: tuple[TruthRow, ...]
    rise_days: Float64Array
    delta_chi2: Float64Array
    observations: IntArray
    shown: Mapping[str, Candidate]
    features: Features | None


def read_measures(
    archive: Archive, shown: Collection[str], *, with_features: bool, progress: Progress
) -> Measures:
    """Read all packets once; blocks for minutes on a large archive.

    Raises
    ------
    BadArchive
        As `Archive.candidates`.
    """
    rows: list[TruthRow] = []
    numbers: list[tuple[float, float]] = []
    observations: list[list[int]] = []
    kept: dict[str, Candidate] = {}
    labelled: list[tuple[TruthRow, Float64Array, Float64Array, Float64Array]] = []
    for row, candidate in archive.candidates():
        found = candidate.alertfinder
        rows.append(row)
        numbers.append((found.t_cut - found.t_break, found.delta_chi2))
        observations.append(_observations(candidate))
        if row.candidate_id in shown:
            kept[row.candidate_id] = candidate
        if with_features and row.selected:
            labelled.append(_features(row, candidate, archive.record.config.review))
        progress("packets read", len(rows), len(archive.rows))
    columns = np.array(numbers)
    return Measures(
        rows=tuple(rows),
        rise_days=columns[:, 0],
        delta_chi2=columns[:, 1],
        observations=np.array(observations, dtype=np.intp),
        shown=kept,
        features=_joined(labelled) if labelled else None,
    )


def _observations(candidate: Candidate) -> list[int]:
    return [sum(c.hjd.size for c in candidate.light_curves if c.site == site) for site in SITES]


def _features(
    row: TruthRow, candidate: Candidate, review: ReviewConfig
) -> tuple[TruthRow, Float64Array, Float64Array, Float64Array]:
    curves, t_break, t_cut = candidate.light_curves, candidate.alertfinder.t_break, row.t_cut
    return (
        _reviewed(row, candidate, review),
        classical_features(curves, t_break, t_cut),
        auxiliary_features(curves, t_break, t_cut),
        date_and_count_features(curves, t_cut),
    )


def _reviewed(row: TruthRow, candidate: Candidate, review: ReviewConfig) -> TruthRow:
    """The row with what an unerring reviewer would have made of the candidate, had one looked."""
    if row.review_score is not None:
        return row
    score, snr = unerring(candidate.light_curves, candidate.alertfinder.t_break, row.t_cut, review)
    return replace(row, review_score=score, rise_snr=snr)


def _joined(labelled: list[tuple[TruthRow, Float64Array, Float64Array, Float64Array]]) -> Features:
    rows, classical, auxiliary, date_and_counts = zip(*labelled, strict=True)
    return Features(tuple(rows), np.stack(classical), np.stack(auxiliary), np.stack(date_and_counts))
