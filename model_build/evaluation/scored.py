"""A season scored by a bundle: every candidate's truth beside what the network makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from model_build.dataset import RUN_FILES, data_sha256
from model_build.evaluation.run_cache import CACHE_VERSION, Arrays, over_runs
from model_build.evaluation.scoring import BundleRef, score_branches
from model_build.progress import Progress
from model_build.season.review import ReviewConfig, unerring
from model_build.season.truth import TRUTH_FILE, TruthRow
from model_build.season_report.archive import Archive, BadArchive, open_archive
from model_build.season_report.record import SeasonRecord
from model_build.training_set.crew import Crew
from stream_worker.batching import Branches
from stream_worker.bundle import CLASSES, Bundle
from stream_worker.candidate import Candidate
from stream_worker.codec import read_candidates
from stream_worker.preprocessing import FEATURES, SITES, TooFewObservations, prepare, standardise
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array, IntArray

Date = Literal["label", "first"]
_WINDOW: Final = 256  # candidates sorted by length together
_NEVER: Final = (0.0, 0.0, 1.0)
_NOT_LOOKED_AT: Final = (np.nan, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Candidates with truth and scores.

    Parameters
    ----------
    rows
        The truth of each; labelled ones have the score of the light-curve review even where nobody
        reviewed them, so that its absence tells nothing.
    p_review, class_probabilities : float64 [n], [n, 3]
        Scores. A candidate with too few observations is never announced: it counts as 0 and as No.
    observations : int [n, 3]
        Used at each site; all 0 where there were too few.
    """

    rows: tuple[TruthRow, ...]
    p_review: Float64Array
    class_probabilities: Float64Array
    observations: IntArray

    @property
    def labels(self) -> NDArray[np.int64]:
        """Places in `CLASSES` of the stars' labels, -1 of those without, int64 [n]."""
        place = {None: -1} | {name: i for i, name in enumerate(CLASSES)}
        return np.array([place[row.label] for row in self.rows], np.int64)

    @property
    def clusters(self) -> IntArray:
        """Stars that are drawn together share a number, int [n]."""
        return np.array([row.cluster for row in self.rows], np.intp)

    @property
    def kinds(self) -> NDArray[np.str_]:
        """Hidden truth, [n]."""
        return np.array([row.kind for row in self.rows])

    @property
    def sites(self) -> IntArray:
        """Sites with usable observations of each, int [n]."""
        return np.asarray((self.observations > 0).sum(axis=1), np.intp)

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, chosen: BoolArray) -> Scored:
        """Return the candidates for which ``chosen`` [n] is true."""
        return Scored(
            tuple(row for row, keep in zip(self.rows, chosen, strict=True) if keep),
            self.p_review[chosen],
            self.class_probabilities[chosen],
            self.observations[chosen],
        )

    def labelled(self, date: Date) -> Scored:
        """Return one candidate of each labelled star: at its label's date, or of its first listing.

        Both are of the same stars; of some an archive may lack the first listing.
        """
        if date == "label":
            return self.where(np.array([row.label is not None and row.selected for row in self.rows]))
        stars = {row.star_id for row in self.rows if row.label is not None and row.selected}
        first = [row.star_id in stars and row.run_id == row.first_run_id for row in self.rows]
        return self.where(np.array(first))


@dataclass(frozen=True, slots=True, eq=False)
class ScoredSeason:
    """A season's archive and all its candidates scored."""

    directory: Path
    record: SeasonRecord
    sha256: str
    candidates: Scored


def score_season(
    directory: Path, bundle: Bundle, crew: Crew, cache: Path, *, name: str, progress: Progress
) -> ScoredSeason:
    """Score every candidate of a season's archive. Blocks for minutes; what is done is kept in ``cache``.

    Parameters
    ----------
    cache
        Folder; scores are kept there under the hashes of bundle and season.
    name
        Of the season, for the progress.

    Raises
    ------
    BadArchive
        If the folder is no whole archive of a season.
    BadContainer
        If a run file can't be read.
    ScoringError
        If a candidate can't be scored.
    """
    archive, sha256 = open_archive(directory), data_sha256(directory)
    work = partial(
        _score_run,
        bundle=BundleRef.of(bundle),
        review=archive.record.config.review,
        unreviewed=frozenset(
            row.candidate_id
            for row in archive.rows.values()
            if row.label is not None and row.review_score is None
        ),
    )
    folder = cache / f"scores-{CACHE_VERSION}-{bundle.sha256[:16]}-{sha256[:16]}"
    runs = sorted(directory.glob(RUN_FILES))
    found = over_runs(runs, work, folder, crew, f"{name}: run files scored", progress)
    return ScoredSeason(directory, archive.record, sha256, _with_truth(archive, found))


def require_natural(season: ScoredSeason) -> None:
    """Refuse what has another share of events than the survey (SCIENCE d: a natural stream has one scale).

    Raises
    ------
    ValueError
        If the archive is no stream, or its events were drawn at another scale than all else.
    """
    record = season.record
    if record.contents != "stream":
        raise ValueError(
            f"{season.directory} is no natural stream: it holds {record.contents} stars, not all listings"
        )
    if record.scale_events != record.scale_false:
        raise ValueError(
            f"{season.directory} is no natural stream: {record.scale_events:g} of the survey's events beside "
            f"{record.scale_false:g} of all else, expected one scale"
        )


def branches_of(candidate: Candidate, bundle: Bundle) -> Branches | None:
    """Prepare and standardise a candidate as the worker does; None if it has too few observations."""
    detection = candidate.alertfinder
    try:
        prepared = prepare(
            candidate.light_curves,
            t_break=detection.t_break,
            t_cut=detection.t_cut,
            ra=candidate.ra,
            dec=candidate.dec,
            options=bundle.options,
        )
    except TooFewObservations:
        return None
    return standardise(prepared, bundle.standardisation)


def _score_run(path: Path, *, bundle: BundleRef, review: ReviewConfig, unreviewed: frozenset[str]) -> Arrays:
    """Score all candidates of one run file, in its order."""
    scorer = bundle.open()
    ids: list[str] = []
    impressions: list[tuple[float, float]] = []
    observations: list[list[int]] = []
    p_review: list[Float64Array] = []
    classes: list[Float64Array] = []
    window: list[Branches] = []

    def flush() -> None:
        scores = score_branches(scorer, window)
        p_review.append(scores[0])
        classes.append(scores[1])
        window.clear()

    empty = np.empty((0, len(FEATURES)), np.float32)
    for candidate in read_candidates(path):
        found = branches_of(candidate, scorer.bundle)
        ids.append(candidate.candidate_id)
        impressions.append(
            _impression(candidate, review) if candidate.candidate_id in unreviewed else _NOT_LOOKED_AT
        )
        window.append((empty, empty, empty) if found is None else found)
        observations.append([len(rows) for rows in window[-1]])
        if len(window) == _WINDOW:
            flush()
    flush()
    counts = np.array(observations, np.int64).reshape(-1, len(SITES))
    joined, of_classes = np.concatenate(p_review), np.concatenate(classes)
    few = ~counts.any(axis=1)
    joined[few], of_classes[few] = _NEVER[0], _NEVER
    return {
        "candidate_id": np.array(ids),
        "p_review": joined,
        "class_probabilities": of_classes,
        "observations": counts,
        "impression": np.array(impressions).reshape(-1, 2),
    }


def _impression(candidate: Candidate, review: ReviewConfig) -> tuple[float, float]:
    detection = candidate.alertfinder
    return unerring(candidate.light_curves, detection.t_break, detection.t_cut, review)


def _with_truth(archive: Archive, found: dict[str, NDArray[Any]]) -> Scored:
    """Join scores and truth, one to one.

    Raises
    ------
    BadArchive
        If they don't match.
    """
    missing = set(archive.rows)
    rows = []
    for name, (score, snr) in zip(found["candidate_id"].tolist(), found["impression"].tolist(), strict=True):
        if name not in missing:
            fault = "is there a second time" if name in archive.rows else f"has no row in {TRUTH_FILE}"
            raise BadArchive(f"{archive.directory}: candidate {name} {fault}")
        missing.remove(name)
        row = archive.rows[name]
        rows.append(row if np.isnan(score) else replace(row, review_score=score, rise_snr=snr))
    if missing:
        raise BadArchive(
            f"{archive.directory}: {len(missing)} candidates of {TRUTH_FILE} are in no run file, "
            f"e.g. {min(missing)}"
        )
    return Scored(tuple(rows), found["p_review"], found["class_probabilities"], found["observations"])
