"""The two ways in: raw pySIS files of one star, and archives of ready candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_worker.candidate import Candidate, Tense
from stream_worker.codec import BadContainer, read_candidates
from stream_worker.ingest.build import NoCandidate, Star, build_candidate, newest_hjd
from stream_worker.ingest.pysis import PysisError, PysisSeries, parse_name, read_pysis
from stream_worker.ingest.sink import CandidateSink, EncodePacket

BAND = "I"
STALE_DAYS = 3.5
MIN_DELTA_CHI2 = 250.0  # the lower of AlertFinder's two thresholds (Kim et al. 2018, arXiv:1806.07545)


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file that went in: its dataset, its observations, and those at or before t_cut."""

    path: Path
    site: str
    dataset: str
    rows: int
    rows_used: int


@dataclass(frozen=True, slots=True)
class FileLeftOut:
    """A file that was left out without being at fault."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of the files of one star.

    ``candidate`` is None where none could be built; ``failure`` then says why. ``notices`` are
    remarks on a candidate that was sent.
    """

    star: Star
    t_cut: float | None
    read: tuple[FileRead, ...]
    left_out: tuple[FileLeftOut, ...]
    faults: tuple[PysisError, ...]
    candidate: Candidate | None
    packet_bytes: int
    failure: str | None
    notices: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether a candidate was sent and no file was at fault."""
        return self.candidate is not None and not self.faults


@dataclass(frozen=True, slots=True)
class ArchiveFault:
    """An archive that could not be read to its end; what came before was sent."""

    path: Path
    reason: str
    sent_before: int


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """What became of archives of candidates."""

    files: int
    candidates: int
    packet_bytes: int
    faults: tuple[ArchiveFault, ...]

    @property
    def ok(self) -> bool:
        """Whether every archive was read to its end."""
        return not self.faults


def run_ingest_pysis(
    paths: Sequence[Path],
    star: Star,
    sink: CandidateSink,
    *,
    encode: EncodePacket,
    now_ms: int,
    t_cut: float | None = None,
    tense: Tense = Tense.CURRENT,
) -> IngestReport:
    """Read one star's files and send its candidate; a malformed file is reported, the others go on.

    Parameters
    ----------
    paths
        pySIS files; V band is left out.
    star
        Whose they are.
    sink
        Flushed before this returns.
    encode
        Makes the packet.
    now_ms
        Time of production, milliseconds since 1970-01-01 UTC.
    t_cut
        HJD - 2450000; the newest observation if None.
    tense
        Live, archival or a test.
    """
    series, left_out, faults = read_files(paths)
    candidate: Candidate | None = None
    failure: str | None = None
    notices: tuple[str, ...] = ()
    packet = b""
    try:
        t_cut = newest_hjd(series) if t_cut is None else t_cut
        candidate = build_candidate(star, series, t_cut=t_cut, tense=tense, produced_at=now_ms)
    except NoCandidate as error:
        failure = str(error)
    else:
        packet, notices = encode(candidate), _notices(candidate)
        sink.send(candidate, packet)
        sink.flush()
    return IngestReport(
        star=star,
        t_cut=t_cut,
        read=tuple(_file_read(one, candidate) for one in series),
        left_out=tuple(left_out),
        faults=tuple(faults),
        candidate=candidate,
        packet_bytes=len(packet),
        failure=failure,
        notices=notices,
    )


def read_files(paths: Iterable[Path]) -> tuple[list[PysisSeries], list[FileLeftOut], list[PysisError]]:
    """Parse what can be parsed: series with observations, files left out, files at fault."""
    series: dict[tuple[str, str], PysisSeries] = {}
    left_out: list[FileLeftOut] = []
    faults: list[PysisError] = []
    for path in paths:
        try:
            name = parse_name(path)
            if name.band != BAND:
                left_out.append(FileLeftOut(path, f"{name.band} band: only {BAND} is scored"))
                continue
            one = read_pysis(path)
        except PysisError as error:
            faults.append(error)
            continue
        first = series.get((name.site, name.field))
        if first is not None:
            expected = f"one file per dataset; {name.site} {name.field} was read from {first.path}"
            faults.append(PysisError(path, None, "file name", path.name, expected))
        elif not one.light_curve.hjd.size:
            left_out.append(FileLeftOut(path, "no observations"))
        else:
            series[name.site, name.field] = one
    return list(series.values()), left_out, faults


def run_ingest_archive(
    paths: Iterable[Path],
    sink: CandidateSink,
    *,
    encode: EncodePacket,
    progress: Callable[[int], None] = lambda _sent: None,
) -> ArchiveReport:
    """Send every candidate of Avro container files, in order; an unreadable file is reported.

    ``progress`` is called with the number sent so far. One container block at a time is in memory.
    """
    files, sent, packet_bytes = 0, 0, 0
    faults: list[ArchiveFault] = []
    for path in paths:
        files += 1
        before = sent
        try:
            for candidate in read_candidates(path):
                packet = encode(candidate)
                sink.send(candidate, packet)
                sent, packet_bytes = sent + 1, packet_bytes + len(packet)
                progress(sent)
        except BadContainer as error:
            faults.append(ArchiveFault(path, str(error).removeprefix(f"{path}: "), sent - before))
        except OSError as error:
            faults.append(ArchiveFault(path, error.strerror or str(error), sent - before))
    sink.flush()
    return ArchiveReport(files, sent, packet_bytes, tuple(faults))


def _file_read(one: PysisSeries, candidate: Candidate | None) -> FileRead:
    curve = one.light_curve
    used = 0
    for light_curve in candidate.light_curves if candidate else ():
        if (light_curve.site, light_curve.dataset) == (curve.site, curve.dataset):
            used = light_curve.hjd.size
    return FileRead(one.path, curve.site, curve.dataset, curve.hjd.size, used)


def _notices(candidate: Candidate) -> tuple[str, ...]:
    found = candidate.alertfinder
    newest = max(float(lc.hjd[-1]) for lc in candidate.light_curves if lc.site == found.site)
    notices = []
    if found.t_cut - newest >= STALE_DAYS:
        notices.append(
            f"the newest observation of {found.site} is {found.t_cut - newest:.1f} d older than t_cut: "
            f"AlertFinder looks at sites with data of the last {STALE_DAYS} d"
        )
    if found.delta_chi2 < MIN_DELTA_CHI2:
        notices.append(
            f"delta_chi2 {found.delta_chi2:.1f} is below {MIN_DELTA_CHI2:.0f}: "
            "AlertFinder would not have flagged this star"
        )
    return tuple(notices)
