"""Every event that happened in a season, found or not, in Parquet: what completeness is counted on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from model_build.season.labels import LabelledStar, StarHistory
from model_build.season.season import Season
from model_build.season.stars import Star
from model_build.season.tables import read_table, schema_of, write_table

EVENTS_FILE: Final = "events.parquet"
EVENTS_VERSION: Final = "1"


@dataclass(frozen=True, slots=True)
class EventRow:
    """A catalogue star with an event of its own; a star in two fields' catalogues may have two rows.

    Parameters
    ----------
    star_id, source, field, chip, ra, dec, i_base
        See `stars.Star`.
    sites
        How many observe it.
    t_0, u_0, t_E, rho, f_s, pi_E_N, pi_E_E, s, q, alpha
        See `events.EventParameters`.
    first_run_id, last_run_id
        First and last run that listed it; None if none did.
    alerted_run_id
        Run that announced it; None if none did.
    event_class, label
        Of the season-end check and of the season's labels, None without.
    """

    star_id: str
    source: int
    field: str
    chip: str
    ra: float
    dec: float
    i_base: float
    sites: int
    t_0: float
    u_0: float
    t_E: float  # noqa: N815 - the field's own name
    rho: float
    f_s: float
    pi_E_N: float  # noqa: N815
    pi_E_E: float  # noqa: N815
    s: float
    q: float
    alpha: float
    first_run_id: str | None
    last_run_id: str | None
    alerted_run_id: str | None
    event_class: str | None
    label: str | None


EVENTS_SCHEMA: Final = schema_of(EventRow, "lensnet.events_version", EVENTS_VERSION)


def event_rows(season: Season) -> Iterator[EventRow]:
    """Rows by star number."""
    histories = {history.star_id: history for history in season.histories}
    labels = {star.star_id: star for star in season.labelled}
    for _, star in sorted(season.stars.items()):
        if star.event is not None:
            yield _row(star, histories.get(star.star_id), labels.get(star.star_id))


def write_events(path: Path, rows: Iterable[EventRow]) -> int:
    """Write the table, whole or not at all, and return the number of rows."""
    return write_table(path, rows, EVENTS_SCHEMA)


def read_events(path: Path) -> pa.Table:
    """Return a season's table to whoever analyses it; raises as `tables.read_table`."""
    return read_table(path, EVENTS_SCHEMA)


def _row(star: Star, history: StarHistory | None, label: LabelledStar | None) -> EventRow:
    if star.event is None:
        raise ValueError(f"star {star.star_id} has no event")
    seen = history.appearances if history is not None else ()
    alerted = [appearance.run_id for appearance in seen if appearance.alerted]
    event_class = None if history is None else history.event_class
    return EventRow(
        star_id=star.star_id,
        source=star.source,
        field=star.field,
        chip=star.chip,
        ra=star.ra,
        dec=star.dec,
        i_base=star.i_base,
        sites=len({site for site, _ in star.datasets}),
        **asdict(star.event),
        first_run_id=seen[0].run_id if seen else None,
        last_run_id=seen[-1].run_id if seen else None,
        alerted_run_id=alerted[0] if alerted else None,
        event_class=None if event_class is None else event_class.value,
        label=None if label is None else label.label.value,
    )
