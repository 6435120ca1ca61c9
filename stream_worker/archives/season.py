"""A season's folder: which run files it should hold, by what the simulator wrote beside them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from stream_worker.archives.reading import ArchiveFault

RUN_FILES: Final = "run-*.avro"
SUMMARY_FILE: Final = "season.json"
TRUTH_FILE: Final = "truth.parquet"
_RUN_NAME: Final = re.compile(r"run-(?P<run>.+)\.avro")


def run_files(folder: Path) -> list[Path]:
    """Run files of a season's folder, in order of their runs."""
    return sorted(folder.glob(RUN_FILES))


def missing_runs(folder: Path, found: Sequence[Path]) -> list[ArchiveFault]:
    """Runs that have candidates, by what lies beside them, and no file.

    The summary of a stream tells which. A season of labelled stars has candidates in some runs only: its
    truth table tells in which. Where neither can (no summary; no truth table, or nothing that reads
    Parquet) nothing is missed.

    Raises
    ------
    ArchiveFault
        The summary or the truth table can't be read.
    """
    path = folder / SUMMARY_FILE
    if not path.exists():
        return []
    try:
        summary = json.loads(path.read_text("utf-8"))
        wanted, source = _listed(summary), SUMMARY_FILE
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveFault(path, "", f"no summary of a season: {type(error).__name__}: {error}") from error
    if wanted is None:
        wanted, source = _in_truth(folder / TRUTH_FILE), TRUTH_FILE
    present = {match["run"] for one in found if (match := _RUN_NAME.fullmatch(one.name))}
    return [
        ArchiveFault(
            folder / f"run-{run}.avro",
            "",
            f"missing: {source} lists the run with {kept} {'candidate' if kept == 1 else 'candidates'}",
        )
        for run, kept in wanted.items()
        if run not in present
    ]


def _listed(summary: Mapping[str, Any]) -> dict[str, int] | None:
    """Candidates of each run of a stream that must have a file; None of any other season."""
    stream = summary["stream"]
    if stream["kind"] != "stream":
        return None
    first, last = stream["first_run"], stream["last_run"]
    left = stream["at_most"]
    listed: dict[str, int] = {}
    for run in summary["runs"]:
        run_id = run["run_id"]
        if not (first or run_id) <= run_id <= (last or run_id) or left == 0:
            continue
        kept = sum(counts["kept"] for counts in run.values() if isinstance(counts, Mapping))
        if left is not None:
            kept = min(kept, left)
            left -= kept
        if kept:
            listed[run_id] = kept
    return listed


def _in_truth(path: Path) -> dict[str, int]:
    """Candidates of each run by the truth table."""
    if not path.exists() or find_spec("pyarrow") is None:
        return {}
    import pyarrow as pa  # of the extra
    import pyarrow.parquet as pq

    try:
        runs = pq.read_table(path, columns=["run_id"]).column("run_id").to_pylist()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise ArchiveFault(path, "", f"no truth table of a season: {error}") from error
    return dict(sorted(Counter(runs).items()))
