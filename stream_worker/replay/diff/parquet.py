"""The view of an offline replay, from its result."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from stream_worker.replay.diff.view import RunView, Seen, StarEnd
from stream_worker.replay.output import read_about

_ROWS: Final = 4096
_COLUMNS: Final = (
    "candidate_id",
    "star_id",
    "t_cut",
    "outcome",
    "reason",
    "p_review",
    "p_yes",
    "p_maybe",
    "p_no",
    "p_event",
    "decisions",
    "group_outcome",
    "alerts",
    "final_primary",
    "final_strongest",
    "final_members",
    "final_crowded",
)


def view_of_result(path: Path) -> RunView:
    """Read the result of an offline replay.

    Raises
    ------
    ValueError
        It is none, or can't be read.
    """
    view = RunView(str(path), read_about(path))
    alerts: list[tuple[int, str, str, str]] = []
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(_ROWS, columns=_COLUMNS):
                for row in batch.to_pylist():
                    _add(view, row, alerts)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise ValueError(f"{path}: {error}") from error
    for _, star_id, kind, reason in sorted(alerts):
        view.send(star_id, [(kind, reason)])
    return view


def _add(view: RunView, row: dict[str, Any], alerts: list[tuple[int, str, str, str]]) -> None:
    star_id = row["star_id"]
    if row["outcome"] == "QUARANTINED" or star_id is None:
        view.refused[row["reason"]] += 1
        return
    scored = row["p_review"] is not None
    decisions = row["decisions"] or ()
    view.thresholds.update({one["name"]: one["threshold"] for one in decisions})
    view.add(
        Seen(
            row["candidate_id"],
            star_id,
            row["t_cut"],
            row["outcome"],
            None,
            (row["p_review"], row["p_yes"], row["p_maybe"], row["p_no"]) if scored else None,
            frozenset(one["name"] for one in decisions if one["passed"]),
            row["p_event"],
        )
    )
    alerts += [(one["sequence"], star_id, one["type"], one["reason"]) for one in row["alerts"] or ()]
    if row["final_primary"] is not None:
        view.stars[star_id] = StarEnd(
            row["final_strongest"], tuple(row["final_members"]), row["final_crowded"]
        )
