"""Rewrites archives as one Parquet file or one container."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from stream_worker.archives.opening import open_archives
from stream_worker.archives.parquet_layout import Layout, write_parquet
from stream_worker.archives.pysis_events import read_event_list
from stream_worker.archives.reading import Archive, ArchiveFault
from stream_worker.candidate import Candidate
from stream_worker.codec import write_candidates


def convert_archives(
    paths: Sequence[Path],
    out: Path,
    layout: Layout,
    events: Path | None,
    progress: Callable[[int], None] = lambda _done: None,
) -> int:
    """Write every candidate to ``out``, whole or not at all, and return how many.

    Raises
    ------
    ArchiveFault
        Something can't be read, or is no candidate.
    OSError
        The file can't be written.
    """
    opened = open_archives(paths, events=None if events is None else read_event_list(events))
    if opened.faults:
        raise opened.faults[0]
    candidates = _candidates(opened.archives, progress)
    if out.suffix == ".avro":
        return write_candidates(out, candidates)
    return write_parquet(out, candidates, layout)


def _candidates(archives: Sequence[Archive], progress: Callable[[int], None]) -> Iterator[Candidate]:
    done = 0
    for archive in archives:
        for piece in archive.pieces:
            for one in archive.read(piece):
                if not isinstance(one.content, Candidate):
                    raise ArchiveFault(archive.path, f"record {one.record}", str(one.content))
                yield one.content
                done += 1
                progress(done)
