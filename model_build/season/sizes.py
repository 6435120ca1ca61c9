"""How large a season to simulate, and what of it to write: the sizes that have names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

_KEPT_PER_RUN: Final = 30_000  # of the whole survey (Viaña et al. 2025, sec. 3.3)
_SHORT_RUNS: Final = 5
_MARGIN: Final = 1.6
_SPARE: Final = 100  # candidates come in clusters: few of them are few clusters


@dataclass(frozen=True, slots=True)
class Contents:
    """What of a season is written: labelled stars, or the candidates of some runs as they come.

    Parameters
    ----------
    kind
        "labelled": the balanced set; "training": that, all other labels found and last listings; "stream".
    first_run, last_run
        Runs of a stream (``"2021-05-31"``), inclusive; None without limit.
    at_most
        Candidates of a stream; None without limit.
    """

    kind: str = "labelled"
    first_run: str | None = None
    last_run: str | None = None
    at_most: int | None = None

    def holds(self, run_id: str) -> bool:
        """Tell whether a run is in the stream."""
        return (self.first_run or run_id) <= run_id <= (self.last_run or run_id)


@dataclass(frozen=True, slots=True)
class SeasonSize:
    """Shares of the survey's events and of everything else, and what is written.

    ``changes`` replace values of the configuration.
    """

    events: float
    false: float
    contents: Contents = field(default_factory=Contents)
    changes: Mapping[str, Any] = field(default_factory=dict)


_FIVE_WEEKS: Final = Contents("stream", "2021-05-31", "2021-07-02")
_NAMED: Final = {
    "ci": (SeasonSize(0.16, 0.0024), "about 600 labelled stars"),
    "test": (SeasonSize(1.0, 0.06), "some 4,000, with fewer Maybes"),
    "paper": (SeasonSize(1.0, 1 / 9), "the published 5,053"),
    "train": (SeasonSize(1.0, 1 / 9, Contents("training")), "these and all other labels found"),
    "natural": (SeasonSize(1 / 25, 1 / 25, _FIVE_WEEKS), "every candidate of 25 runs"),
    "wide": (SeasonSize(1 / 10, 1 / 10, _FIVE_WEEKS), "the same of 2.5 times as many stars"),
}
NAMED_SIZES: Final[Mapping[str, SeasonSize]] = MappingProxyType(
    {name: size for name, (size, _) in _NAMED.items()}
)
SIZES_TOLD: Final = ", ".join(f"{name} ({told})" for name, (_, told) in _NAMED.items())
"""Every name, and what it gives, for ``--help``. ``test`` takes two thirds of the time of ``paper``."""


def short_stream(candidates: int) -> SeasonSize:
    """A week in June as it comes, cut after ``candidates``; events are more frequent than they are.

    Only the night of the last run and those before it are simulated.
    """
    wanted = _MARGIN * candidates + _SPARE
    false = min(wanted / (_KEPT_PER_RUN * _SHORT_RUNS), 1.0)
    week = {"cadence": {"season_end": "06-13", "first_run": "06-07", "last_run": "06-11"}}
    return SeasonSize(
        min(10.0 * false, 1.0), false, Contents("stream", at_most=candidates), MappingProxyType(week)
    )


def size_of(scale: str) -> SeasonSize:
    """Return the size of a name, or of a share of the survey as text.

    Raises
    ------
    ValueError
        If it is neither; the message says what was expected.
    """
    if scale in NAMED_SIZES:
        return NAMED_SIZES[scale]
    try:
        share = float(scale)
    except ValueError:
        share = math.nan
    if not 0.0 < share <= 1.0:
        raise ValueError(
            f"{scale!r} is neither a share, above 0 and at most 1, nor one of {', '.join(NAMED_SIZES)}"
        )
    return SeasonSize(share, share)
