"""Folders of KMTNet pySIS files with an event list, each star searched day by day as AlertFinder would.

The folder holds one folder of files per event. AlertFinder runs on every weekday at one hour; a day on which
it flags the star, with what was observed by then, is a candidate.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from stream_worker.alertfinder import Detection, DetectionConfig, RunDate, Thresholds, scan
from stream_worker.archives.reading import Archived, ArchiveFault, Piece
from stream_worker.candidate import AlertFinderDetection, Candidate, Tense, candidate_id
from stream_worker.codec import MAX_LIGHT_CURVES
from stream_worker.ingest.build import baseline_mag, until
from stream_worker.ingest.coordinates import parse_dec, parse_ra
from stream_worker.ingest.pysis import PysisSeries
from stream_worker.ingest.run import read_files

SURVEY: Final = "KMTNet"
COLUMNS: Final = ("event", "ra", "dec")
_UNIX_EPOCH: Final = 2_440_587.5 - 2_450_000.0
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_RUN_HOUR_UT: Final = 6.0
_SATURDAY: Final = 5
_NIGHT_D: Final = 0.5
_HOURS: Final = 24.0

# Kim et al. 2018, arXiv:1806.07545; the masks are the community's cuts. The season simulator's
# configuration has the same, and a test compares them.
DETECTION: Final = DetectionConfig(
    max_flux_err=2000.0,
    max_fwhm=10.0,
    max_psf_quality=20.0,
    high_sigma=3.0,
    n_more=10,
    max_age_days=3.5,
    consecutive=False,
    high_cadence_from=1.0,
    high_cadence=Thresholds(n_high=10, delta_chi2=400.0),
    low_cadence=Thresholds(n_high=5, delta_chi2=250.0),
)
NOTICES: Final = (
    (
        "pySIS: AlertFinder's search runs on every weekday at 06:00 UT with the observations made until then;"
        " vetting by neighbours and images can't be repeated from light curves alone"
    ),
    "pySIS: psf_quality is not in these files and counts as not measured",
)


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """A star of the event list: ``name`` is its folder and its star id; ``ra``, ``dec`` degrees (ICRS)."""

    name: str
    ra: float
    dec: float


@dataclass(frozen=True, slots=True)
class EventList:
    """An event list and where it was read from."""

    path: Path
    events: tuple[ListedEvent, ...]


@dataclass(frozen=True, slots=True)
class PysisFolder:
    """A folder of events; a piece is an event."""

    path: Path
    event_list: Path
    events: tuple[ListedEvent, ...]
    event_files: tuple[tuple[Path, ...], ...]
    faults: tuple[ArchiveFault, ...]
    kind: str = "folder of pySIS files"
    notices: tuple[str, ...] = NOTICES

    @property
    def files(self) -> tuple[Path, ...]:
        """The event list and every light-curve file."""
        return (self.event_list, *(one for files in self.event_files for one in files))

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """A piece per event; how many days flag it is known when it has been searched."""
        return tuple(Piece(number, number * _DAYS_PER_EVENT, None) for number in range(len(self.events)))

    def read(self, piece: Piece) -> Iterator[Archived]:
        """Yield the candidates of an event, a day each.

        Raises
        ------
        ArchiveFault
            A file of the event is malformed: line, column and value are named. Or there are more files than a
            packet may hold datasets.
        """
        event, files = self.events[piece.number], self.event_files[piece.number]
        series, _, faults = read_files(files)
        if faults:
            bad = faults[0].path
            raise ArchiveFault(self.path, self._where(bad), str(faults[0]).removeprefix(f"{bad}, "))
        if len(series) > MAX_LIGHT_CURVES:
            text = f"{len(series)} datasets with observations: a packet holds at most {MAX_LIGHT_CURVES}"
            raise ArchiveFault(self.path, self._where(files[0].parent), text)
        for index, candidate in enumerate(candidates_of(event, series)):
            yield Archived(piece.first + index, candidate)

    def _where(self, path: Path) -> str:
        """A path within the folder: results name the archive, and it."""
        return path.relative_to(self.path).as_posix()


_DAYS_PER_EVENT: Final = 100_000  # numbers of one event's records don't reach into the next one's


def candidates_of(event: ListedEvent, series: Sequence[PysisSeries]) -> Iterator[Candidate]:
    """Yield a candidate for every run that flags the star, oldest first."""
    curves = [one.light_curve for one in series]
    runs = weekday_runs(curves_span(series))
    for found in scan(curves, runs, DETECTION, DETECTION.thresholds(cadence(series))):
        if found.slope > 0.0:
            yield _candidate(event, series, found)


def curves_span(series: Sequence[PysisSeries]) -> tuple[float, float] | None:
    """First and last observation of all files, HJD - 2450000; None without any."""
    times = [one.light_curve.hjd for one in series if one.light_curve.hjd.size]
    return (float(min(t[0] for t in times)), float(max(t[-1] for t in times))) if times else None


def weekday_runs(span: tuple[float, float] | None) -> list[RunDate]:
    """AlertFinder's runs from the first observation to the first run after the last: Monday to Friday."""
    if span is None:
        return []
    runs = []
    day = math.floor(span[0] - _UNIX_EPOCH)
    while True:
        t_cut = day + _UNIX_EPOCH + _RUN_HOUR_UT / _HOURS
        date = datetime.fromtimestamp(day * _DAY_MS / 1000.0, tz=UTC)
        if t_cut > span[0] and date.weekday() < _SATURDAY:
            runs.append(RunDate(f"{date:%Y-%m-%d}", t_cut))
            if t_cut > span[1]:
                return runs
        day += 1


def cadence(series: Sequence[PysisSeries]) -> float:
    """Exposures per hour of the densest dataset, within its nights."""
    return max((_exposures_per_hour(one) for one in series), default=0.0)


def _exposures_per_hour(one: PysisSeries) -> float:
    hjd = one.light_curve.hjd
    gaps = hjd[1:] - hjd[:-1]
    within = sorted(float(gap) for gap in gaps if 0.0 < gap < _NIGHT_D)
    return 1.0 / (_HOURS * within[len(within) // 2]) if within else 0.0


def _candidate(event: ListedEvent, series: Sequence[PysisSeries], found: Detection) -> Candidate:
    t_cut = found.t_cut
    curves = tuple(cut for one in series if (cut := until(one.light_curve, t_cut)).hjd.size)
    produced_at = round((t_cut - _UNIX_EPOCH) * _DAY_MS) + _HOUR_MS  # lists come an hour after the run
    return Candidate(
        candidate_id=candidate_id(SURVEY, event.name, t_cut),
        survey=SURVEY,
        season=int(found.run_id[:4]),
        run_id=found.run_id,
        tense=Tense.ARCHIVAL,
        replay_id=None,
        star_id=event.name,
        field=found.dataset,
        chip=None,
        x=None,
        y=None,
        ra=event.ra,
        dec=event.dec,
        baseline_mag=baseline_mag(series, found.site, found.dataset, t_cut),
        alertfinder=AlertFinderDetection(
            found.site, found.dataset, found.n_high, found.t_break, t_cut, found.slope, found.delta_chi2
        ),
        light_curves=curves,
        produced_at=produced_at,
    )


def read_event_list(path: Path) -> EventList:
    """Read a CSV file with the columns event, ra and dec; positions in degrees or sexagesimal.

    Raises
    ------
    ArchiveFault
        The first fault, with its line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or ()  # read while the file is open: an empty one has no row that would
            numbered = [(rows.line_num, row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ArchiveFault(path, "", str(error)) from error
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise ArchiveFault(path, "line 1", f"lacks the columns {', '.join(missing)}")
    events = tuple(_listed(path, line, row) for line, row in numbered)
    twice = {event.name for event in events if sum(one.name == event.name for one in events) > 1}
    if twice:
        raise ArchiveFault(path, "", f"lists {', '.join(sorted(twice))} more than once")
    return EventList(path, events)


def open_pysis_folder(folder: Path, events: EventList) -> PysisFolder:
    """Find the files of every listed event; one without a folder or files is a fault, the others go on."""
    present, files, faults = [], [], []
    for event in events.events:
        found = tuple(sorted((folder / event.name).glob("*.pysis")))
        if found:
            present.append(event)
            files.append(found)
        else:
            faults.append(
                ArchiveFault(
                    folder / event.name, "", f"missing: {events.path.name} lists it, no *.pysis there"
                )
            )
    return PysisFolder(folder, events.path, tuple(present), tuple(files), tuple(faults))


def _listed(path: Path, line: int, row: dict[str, str | None]) -> ListedEvent:
    name = (row["event"] or "").strip()
    if not name or "/" in name or name.startswith("."):
        raise ArchiveFault(path, f"line {line}", f"event {name!r}: expected the name of a folder")
    try:
        return ListedEvent(name, parse_ra(row["ra"] or ""), parse_dec(row["dec"] or ""))
    except ValueError as error:
        raise ArchiveFault(path, f"line {line}", str(error)) from None
