"""The labelled stars of a season's archive and their candidates."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model_build.dataset import RUN_FILES, DatasetError
from model_build.season.tables import BadTable
from model_build.season.truth import TRUTH_FILE, TruthRow, read_truth
from stream_worker.bundle import CLASSES
from stream_worker.candidate import Candidate
from stream_worker.codec import read_candidates


@dataclass(frozen=True, slots=True)
class LabelledStar:
    """A star with its label.

    Parameters
    ----------
    star_id, cluster
        Stars of one cluster lie within 20 arcsec of each other by steps, or have one parent artefact.
    label
        Place in `CLASSES`.
    candidate_id
        Its candidate at its label's date.
    first_candidate_id
        Its candidate of the first run that listed it; None where the archive lacks it.
    last_candidate_id
        That of the last run that listed it, if later than its label's; None where the archive has none.
    """

    star_id: str
    cluster: int
    label: int
    candidate_id: str
    first_candidate_id: str | None
    last_candidate_id: str | None = None


@dataclass(frozen=True, slots=True)
class LabelledStars:
    """The balanced set's stars by star id, other labelled ones, and the ids of all candidates listed."""

    stars: tuple[LabelledStar, ...]
    others: tuple[LabelledStar, ...]
    listed: frozenset[str]


def read_stars(directory: Path) -> LabelledStars:
    """Read the labelled stars from a season's truth table.

    Raises
    ------
    DatasetError
        If there is no table, one of another version, an unknown label, no label at all, a star
        with two candidates of its label's date, or one in two clusters.
    """
    path = directory / TRUTH_FILE
    rows = truth_rows(path)
    labelled = [row for row in rows if row.label is not None]
    first = {row.star_id: row.candidate_id for row in labelled if row.run_id == row.first_run_id}
    last = {row.star_id: row.candidate_id for row in labelled if row.run_id > row.last_run_id}
    chosen = {row.star_id for row in labelled if row.selected}
    stars: dict[str, LabelledStar] = {}
    others: dict[str, LabelledStar] = {}
    for row in labelled:
        if row.selected and row.star_id in stars:
            raise DatasetError(f"{path}: star {row.star_id} has two selected candidates, expected one")
        if row.selected:
            stars[row.star_id] = _star(path, row, first.get(row.star_id), last.get(row.star_id))
        elif row.star_id not in chosen and row.run_id == row.last_run_id:
            others[row.star_id] = _star(path, row, None, last.get(row.star_id))
    for row in labelled:
        star = stars.get(row.star_id) or others.get(row.star_id)
        if star is not None and row.cluster != star.cluster:
            raise DatasetError(
                f"{path}: star {row.star_id} is in clusters {star.cluster} and {row.cluster}, expected one"
            )
    if not stars:
        raise DatasetError(f"{path}: none of its {len(rows)} candidates is selected and carries a label")
    ids = frozenset(row.candidate_id for row in rows)
    return LabelledStars(_by_id(stars), _by_id(others), ids)


def truth_rows(path: Path) -> Sequence[TruthRow]:
    """Return the rows of a truth table; raises DatasetError if there is none, or one of another version."""
    try:
        return read_truth(path)
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing: the folder holds no season, or an unfinished one") from None
    except BadTable as error:
        raise DatasetError(str(error)) from error


def label_of(path: Path, row: TruthRow) -> int:
    """Return the place of a labelled row's label in `CLASSES`; raises DatasetError if it is unknown."""
    if row.label not in CLASSES:
        raise DatasetError(
            f"{path}: candidate {row.candidate_id} has label {row.label!r}, "
            f"expected one of {', '.join(CLASSES)}, or none"
        )
    return CLASSES.index(row.label)


def _by_id(stars: Mapping[str, LabelledStar]) -> tuple[LabelledStar, ...]:
    return tuple(stars[star_id] for star_id in sorted(stars))


def read_listed(directory: Path, wanted: Collection[str], listed: Collection[str]) -> Iterator[Candidate]:
    """Yield the candidates wanted, by run and in the order of its file; then check that none was missing.

    Raises
    ------
    DatasetError
        If run files and truth table don't have the same candidates.
    BadContainer
        If a run file can't be read.
    """
    missing = set(listed)
    for path in sorted(directory.glob(RUN_FILES)):
        for candidate in read_candidates(path):
            if candidate.candidate_id not in listed:
                raise DatasetError(f"{path}: candidate {candidate.candidate_id} has no row in {TRUTH_FILE}")
            missing.discard(candidate.candidate_id)
            if candidate.candidate_id in wanted:
                yield candidate
    if missing:
        raise DatasetError(
            f"{directory}: {len(missing)} candidates of {TRUTH_FILE} are in no {RUN_FILES}, "
            f"e.g. {min(missing)}"
        )


def _star(path: Path, row: TruthRow, first: str | None, last: str | None) -> LabelledStar:
    label = label_of(path, row)
    return LabelledStar(row.star_id, row.cluster, label, row.candidate_id, first, last)
