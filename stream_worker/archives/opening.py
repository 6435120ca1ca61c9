"""Finds out what lies at a path and opens it as an archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from stream_worker.archives.blocks import scan_container
from stream_worker.archives.candidates import open_candidate_file
from stream_worker.archives.dump import DUMP_FULLNAME, open_dump
from stream_worker.archives.foreign import is_foreign_survey, open_foreign
from stream_worker.archives.pysis_events import EventList, open_pysis_folder
from stream_worker.archives.reading import Archive, ArchiveFault
from stream_worker.archives.season import missing_runs, run_files
from stream_worker.codec import MAX_PACKET_BYTES
from stream_worker.extras import install_hint

_SUFFIXES: Final = (".avro", ".parquet")


@dataclass(frozen=True, slots=True)
class Opened:
    """Archives that can be read, in order, and what can't be."""

    archives: tuple[Archive, ...]
    faults: tuple[ArchiveFault, ...]


def open_archives(
    paths: Iterable[Path], *, events: EventList | None = None, max_packet_bytes: int = MAX_PACKET_BYTES
) -> Opened:
    """Open every archive at ``paths``; whatever can't be opened is a fault, and the others are opened.

    Parameters
    ----------
    paths
        Container files (candidates, dumps, alert packets of ZTF and LSST), Parquet files, and folders of
        them: a season's folder is checked for missing runs.
    events
        The event list that makes folders of pySIS files an archive; such a folder needs one.
    max_packet_bytes
        Largest packet of a dump that is decoded.
    """
    archives: list[Archive] = []
    faults: list[ArchiveFault] = []
    for path in paths:
        for one in _candidates_for(path, faults, events):
            if isinstance(one, Path):
                try:
                    opened = _open_file(one, max_packet_bytes)
                except ArchiveFault as fault:
                    faults.append(fault)
                    continue
                except OSError as error:
                    faults.append(ArchiveFault(one, "", error.strerror or str(error)))
                    continue
            else:
                opened = one
            archives.append(opened)
            faults.extend(opened.faults)
    return Opened(tuple(archives), tuple(faults))


def _candidates_for(
    path: Path, faults: list[ArchiveFault], events: EventList | None
) -> Iterator[Path | Archive]:
    """Files to open at a path, or a folder that is an archive as a whole."""
    if not path.is_dir():
        yield path
        return
    if runs := run_files(path):
        try:
            faults += missing_runs(path, runs)
        except ArchiveFault as fault:
            faults.append(fault)
        yield from runs
        return
    if any(path.rglob("*.pysis")):
        if events is None:
            faults.append(ArchiveFault(path, "", "a folder of pySIS files: name an event list with --events"))
        else:
            yield open_pysis_folder(path, events)
        return
    files = sorted(one for suffix in _SUFFIXES for one in path.rglob(f"*{suffix}") if not _hidden(one, path))
    if not files:
        faults.append(ArchiveFault(path, "", f"a folder without {', '.join(_SUFFIXES)} or .pysis files"))
    yield from files


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _open_file(path: Path, max_packet_bytes: int) -> Archive:
    if path.suffix == ".parquet":
        if find_spec("pyarrow") is None:
            raise ArchiveFault(path, "", f"Parquet needs pyarrow; {install_hint('replay')}")
        from stream_worker.archives.parquet import open_parquet

        return open_parquet(path)
    container = scan_container(path)
    name = _fullname(container.schema)
    if name == DUMP_FULLNAME:
        return open_dump(container, max_packet_bytes)
    if is_foreign_survey(name):
        return open_foreign(container, name)
    return open_candidate_file(container)


def _fullname(schema: object) -> str:
    if not isinstance(schema, dict):
        return ""
    name, namespace = str(schema.get("name")), schema.get("namespace")
    return name if "." in name or not namespace else f"{namespace}.{name}"
