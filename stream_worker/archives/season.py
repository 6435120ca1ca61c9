"""A season's folder: which run files it should hold, by what the simulator wrote beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from stream_worker.archives.reading import ArchiveFault

RUN_FILES: Final = "run-*.avro"
SUMMARY_FILE: Final = "season.json"
_RUN_NAME: Final = re.compile(r"run-(?P<run>.+)\.avro")


def run_files(folder: Path) -> list[Path]:
    """Run files of a season's folder, in order of their runs."""
    return sorted(folder.glob(RUN_FILES))


def missing_runs(folder: Path, found: Sequence[Path]) -> list[ArchiveFault]:
    """Runs of a stream that its summary lists with candidates and that have no file.

    A season of labelled stars writes some runs only, and its summary doesn't say which: nothing is missed
    there, nor where there is no summary.

    Raises
    ------
    ArchiveFault
        The summary can't be read.
    """
    path = folder / SUMMARY_FILE
    if not path.exists():
        return []
    try:
        summary = json.loads(path.read_text("utf-8"))
        wanted = _listed(summary)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveFault(path, "", f"no summary of a season: {type(error).__name__}: {error}") from error
    present = {match["run"] for one in found if (match := _RUN_NAME.fullmatch(one.name))}
    return [
        ArchiveFault(
            folder / f"run-{run}.avro", "", f"missing: {SUMMARY_FILE} lists the run with {kept} candidates"
        )
        for run, kept in wanted.items()
        if run not in present
    ]


def _listed(summary: Mapping[str, Any]) -> dict[str, int]:
    """Candidates of each run that must have a file."""
    stream = summary["stream"]
    if stream["kind"] != "stream":
        return {}
    first, last = stream["first_run"] or "", stream["last_run"] or "9999"
    left = stream["at_most"]
    listed: dict[str, int] = {}
    for run in summary["runs"]:
        if not first <= run["run_id"] <= last or left == 0:
            continue
        kept = sum(counts["kept"] for counts in run.values() if isinstance(counts, Mapping))
        if left is not None:
            kept = min(kept, left)
            left -= kept
        if kept:
            listed[run["run_id"]] = kept
    return listed
