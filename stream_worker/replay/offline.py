"""A replay without a broker: score every chunk on all cores, then group in order and write one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_worker.archives import ArchiveFault
from stream_worker.replay.checkpoint import Checkpoint, ChunkResult, open_checkpoint
from stream_worker.replay.grouping import ReplayGrouping
from stream_worker.replay.output import result_writer
from stream_worker.replay.plan import ReplayPlan
from stream_worker.replay.pool import Work, score_chunks
from stream_worker.settings import Settings


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What an offline replay did.

    Parameters
    ----------
    read
        Records read; ``rows`` of them took part.
    outcomes, group_outcomes
        Rows by what became of them.
    alerts
        Alerts by type.
    faults
        What could not be read, and was skipped.
    """

    replay_id: str
    out: Path
    read: int
    rows: int
    outcomes: dict[str, int]
    group_outcomes: dict[str, int]
    alerts: dict[str, int]
    faults: tuple[str, ...]
    notices: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "replay_id": self.replay_id,
            "out": str(self.out),
            "read": self.read,
            "rows": self.rows,
            "outcomes": self.outcomes,
            "group_outcomes": self.group_outcomes,
            "alerts": self.alerts,
            "faults": list(self.faults),
            "notices": list(self.notices),
        }


class NothingReplayed(Exception):
    """No record took part: an empty result would replace an older one."""


def checkpoint_folder(out: Path) -> Path:
    """Where the finished chunks of an unfinished replay lie."""
    return out.with_name(f"{out.name}.unfinished")


def replay_offline(
    plan: ReplayPlan,
    settings: Settings,
    out: Path,
    *,
    processes: int,
    resume: bool = False,
    faults: Sequence[ArchiveFault] = (),
    skip_faults: bool = False,
    started: Callable[[int], None] = lambda _done: None,
    progress: Callable[[int], None] = lambda _done: None,
    say: Callable[[str], None] = lambda _text: None,
) -> ReplayReport:
    """Score, group and write. Blocks until it is done; interrupted at any moment, it goes on with ``resume``.

    Parameters
    ----------
    faults
        What opening the archives found unreadable, to be told in the result.
    skip_faults
        Leave out what can't be read within an archive, and say so in the result; else it ends the replay.
    started
        Hears how many records a resumed replay has behind it.
    progress
        Hears how many records are done, those included.

    Raises
    ------
    ArchiveFault
        A part of an archive can't be read and is not to be skipped.
    NothingReplayed
        No record took part; an older result stays.
    CheckpointError, WorkerDied, OSError
        The message says what can be done.
    """
    pins = {"replay_id": plan.replay_id, **plan.pins}
    with open_checkpoint(checkpoint_folder(out), pins, resume=resume) as checkpoint:
        _score(plan, settings, checkpoint, processes, started, progress, skip_faults=skip_faults)
        say("grouping")
        try:
            report = _write(
                plan, settings, checkpoint, out, pins, [_as_tuple(plan, fault) for fault in faults]
            )
        except NothingReplayed:
            checkpoint.remove()
            raise
        checkpoint.remove()
    return report


def _score(
    plan: ReplayPlan,
    settings: Settings,
    checkpoint: Checkpoint,
    processes: int,
    started: Callable[[int], None],
    progress: Callable[[int], None],
    *,
    skip_faults: bool,
) -> None:
    finished = checkpoint.done()
    if not skip_faults:  # those that were skipped before are met again, and end it
        finished = {number for number in finished if not checkpoint.has_faults(number)}
    left = [chunk for chunk in plan.chunks if chunk.number not in finished]
    done = sum(chunk.count or 0 for chunk in plan.chunks if chunk.number in finished)
    started(done)
    if not left:
        return
    # one thread per process: a sum's order, and so its last bit, must not depend on the machine
    inference = settings.inference.model_copy(update={"intra_op_threads": 1})
    work = Work(
        settings=settings.model_copy(update={"inference": inference}),
        archives=plan.archives,
        names=plan.names,
        replay_id=plan.replay_id,
        selection=plan.selection,
        checkpoint=checkpoint.folder,
        skip_faults=skip_faults,
    )
    for chunk, read in score_chunks(work, left, min(processes, len(left))):
        done += read if chunk.count is None else chunk.count
        progress(done)


def _write(
    plan: ReplayPlan,
    settings: Settings,
    checkpoint: Checkpoint,
    out: Path,
    pins: dict[str, Any],
    faults: list[tuple[str, str, str]],
) -> ReplayReport:
    """Group the finished chunks in order, then write them in the same order; a chunk at a time in memory."""
    grouping = ReplayGrouping(settings.rules.grouping)
    read = rows_in_all = 0
    for result in _results(plan, checkpoint):
        grouping.take(result.rows)
        faults += result.faults
        read += result.read
        rows_in_all += len(result.rows)
    grouping.close()
    outcomes, group_outcomes, alerts = Counter[str](), Counter[str](), Counter[str]()
    told = sorted({": ".join(part for part in fault if part) for fault in faults})
    if not rows_in_all:
        skipped = "".join(f"\n  skipped: {fault}" for fault in told)
        raise NothingReplayed(f"{out} is not written: none of {read} records took part{skipped}")
    number = 0
    with result_writer(out, {**pins, "faults": told}, checkpoint.folder / "result.part") as sink:
        for result in _results(plan, checkpoint):
            rows = [(row, grouping.of(number + place, row)) for place, row in enumerate(result.rows)]
            number += len(rows)
            sink.write(rows)
            outcomes.update(row["outcome"] for row, _ in rows)
            group_outcomes.update(grouped.outcome for _, grouped in rows if grouped is not None)
            alerts.update(alert["type"] for _, grouped in rows if grouped for alert in grouped.alerts)
    notices = {notice: None for archive in plan.archives for notice in archive.notices}
    return ReplayReport(
        replay_id=plan.replay_id,
        out=out,
        read=read,
        rows=number,
        outcomes=dict(sorted(outcomes.items())),
        group_outcomes=dict(sorted(group_outcomes.items())),
        alerts=dict(sorted(alerts.items())),
        faults=tuple(told),
        notices=tuple(notices),
    )


def _results(plan: ReplayPlan, checkpoint: Checkpoint) -> Iterator[ChunkResult]:
    return (checkpoint.get(chunk.number) for chunk in plan.chunks)


def _as_tuple(plan: ReplayPlan, fault: ArchiveFault) -> tuple[str, str, str]:
    """A fault by the name of its archive, so that the result doesn't tell where it lay."""
    for archive, name in zip(plan.archives, plan.names, strict=True):
        if archive.path == fault.path:
            return name, fault.where, fault.reason
    return fault.path.name, fault.where, fault.reason
