"""The archive of a season, checked as it is read; packets come one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from model_build.season.summary import SUMMARY_FILE, BadSummary, read_summary
from model_build.season.tables import BadTable
from model_build.season.truth import TRUTH_FILE, TruthRow, read_truth
from model_build.season_report.record import BadRecord, SeasonRecord, read_record
from stream_worker.candidate import Candidate
from stream_worker.codec import BadContainer, read_candidates

_RUN_FILES = "run-*.avro"


class BadArchive(ValueError):
    """A folder that is no whole archive of a season; the message names file and fault."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A season on disk: its summary and the truth about each candidate, by ``candidate_id``."""

    directory: Path
    record: SeasonRecord
    rows: Mapping[str, TruthRow]

    def candidates(self) -> Iterator[tuple[TruthRow, Candidate]]:
        """Yield every candidate with its truth, run by run; about one block is held in memory.

        Raises
        ------
        BadArchive
            If a run file is damaged, or packets and truth don't match one to one.
        """
        missing = set(self.rows)
        for path in sorted(self.directory.glob(_RUN_FILES)):
            for candidate in _read(path):
                if candidate.candidate_id not in missing:
                    known = candidate.candidate_id in self.rows
                    fault = "is there a second time" if known else f"has no row in {TRUTH_FILE}"
                    raise BadArchive(f"{path}: candidate {candidate.candidate_id} {fault}")
                missing.remove(candidate.candidate_id)
                yield self.rows[candidate.candidate_id], candidate
        if missing:
            row = self.rows[min(missing)]
            raise BadArchive(
                f"{self.directory}: {len(missing)} candidates of {TRUTH_FILE} are in no run file, "
                f"the first is {row.candidate_id} of run {row.run_id}"
            )


def open_archive(directory: Path) -> Archive:
    """Read a season's summary and truth; packets are left for `Archive.candidates`.

    Raises
    ------
    BadArchive
        If the folder or a file is missing, of another version or not what it should be.
    """
    _require_files(directory)
    try:
        record = read_record(read_summary(directory / SUMMARY_FILE))
        rows = read_truth(directory / TRUTH_FILE)
    except BadRecord as error:
        raise BadArchive(f"{directory / SUMMARY_FILE}: {error}") from error
    except (BadSummary, BadTable) as error:
        raise BadArchive(str(error)) from error
    if len(rows) != record.candidates:
        raise BadArchive(
            f"{directory}: {SUMMARY_FILE} counts {record.candidates} candidates, "
            f"{TRUTH_FILE} has {len(rows)} rows"
        )
    if not rows:
        raise BadArchive(f"{directory}: the archive holds no candidates, there is nothing to report")
    return Archive(directory, record, {row.candidate_id: row for row in rows})


def _require_files(directory: Path) -> None:
    if not directory.is_dir():
        raise BadArchive(f"{directory}: no such folder")
    found = {
        SUMMARY_FILE: (directory / SUMMARY_FILE).is_file(),
        TRUTH_FILE: (directory / TRUTH_FILE).is_file(),
        _RUN_FILES: any(directory.glob(_RUN_FILES)),
    }
    missing = [name for name, is_there in found.items() if not is_there]
    if len(missing) == len(found):
        raise BadArchive(f"{directory}: no archive of a season, expected {', '.join(found)} there")
    if missing:
        raise BadArchive(f"{directory}: {', '.join(missing)} missing, the archive is not whole")


def _read(path: Path) -> Iterator[Candidate]:
    try:
        yield from read_candidates(path)
    except BadContainer as error:
        raise BadArchive(str(error)) from error
