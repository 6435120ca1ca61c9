"""Detected events, simulated against published: quantiles of t_E, u_0 and I."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model_build.realism.faults import BadInput
from model_build.season.eventfinder import EventClass
from stream_worker.preprocessing.light_curve import Float64Array

EVENTS_FILE: Final = "events.parquet"
FAINTEST: Final = 20.0
"""I magnitude at which the published list ends."""
_COLUMNS: Final = {"t_E": "t_E", "u_0": "u_0", "I": "i_base"}
_GOOD: Final = (EventClass.CLEAR.value, EventClass.PROBABLE.value)


@dataclass(frozen=True, slots=True, eq=False)
class EventQuantiles:
    """Quantiles at ``probabilities`` [p] of t_E (d), u_0 and I (mag) of so many events, each float64 [p]."""

    source: str
    events: int
    probabilities: Float64Array
    values: Mapping[str, Float64Array]

    def at(self, name: str, probability: float) -> float:
        """Return the quantile of t_E, u_0 or I at one of the probabilities."""
        return float(self.values[name][np.flatnonzero(np.isclose(self.probabilities, probability))[0]])


def published(part: str) -> EventQuantiles:
    """Return the packaged quantiles of published events: ``all`` of them, or those ``below_20`` mag."""
    text = resources.files("model_build.realism").joinpath("events.toml").read_text("utf-8")
    table = tomllib.loads(text)
    values = {name: np.array(table[part][name]) for name in _COLUMNS}
    probabilities = np.array(table["source"]["probabilities"])
    return EventQuantiles(table["source"]["text"], table[part]["events"], probabilities, values)


def of_samples(samples: Mapping[str, Float64Array], probabilities: Float64Array) -> EventQuantiles:
    """Compute the quantiles of t_E, u_0 and I of so many events, [n] each."""
    values = {name: np.quantile(column, probabilities) for name, column in samples.items()}
    return EventQuantiles("samples", samples["t_E"].size, probabilities, values)


def read_detected(archive: Path) -> dict[str, Float64Array]:
    """Return t_E, u_0 and I of the clear and probable events of a season archive with I < 20, [n] each.

    An event that two catalogue entries show counts once.

    Raises
    ------
    BadInput
        If the archive has no readable events.parquet with the needed columns, or no such event in it.
    """
    path = archive / EVENTS_FILE
    if not path.is_file():
        raise BadInput(path, "", "no such file", "the events of a season archive")
    wanted = [*_COLUMNS.values(), "event_class", "source"]
    try:
        names = pq.read_schema(path).names
        missing = [name for name in wanted if name not in names]
        if missing:
            raise BadInput(path, "columns", ", ".join(names), f"{', '.join(missing)} too")
        table = pq.read_table(path, columns=wanted).to_pydict()
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput(path, "", f"no Parquet file ({error})", "the events of a season archive") from error
    good = np.array([event_class in _GOOD for event_class in table["event_class"]], dtype=np.bool_)
    good &= np.array(table["i_base"], dtype=np.float64) < FAINTEST
    if not good.any():
        counts = f"{good.size} events, none of them"
        raise BadInput(
            path, "event_class", counts, f"some that are {' or '.join(_GOOD)} with I < {FAINTEST:g}"
        )
    _, once = np.unique(np.array(table["source"])[good], return_index=True)
    return {name: np.array(table[column], dtype=np.float64)[good][once] for name, column in _COLUMNS.items()}
