"""How long the oldest record that still waits has waited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backlog:
    """Follows the age of the oldest record, from commits and from the lag.

    Between commits the age grows with the clock: a stage that is stuck gets old. What waits first behind
    the last commit is not known before it is read, so the oldest record of that commit stands for it.

    Parameters
    ----------
    wall_clock
        Seconds since 1970-01-01 UTC.
    """

    wall_clock: Callable[[], float]
    _since: float | None = field(default=None, init=False)
    _lag: dict[tuple[str, int], int] = field(default_factory=dict, init=False)

    def age(self) -> float:
        """Seconds; 0 when nothing waits."""
        return 0.0 if self._since is None else max(self.wall_clock() - self._since, 0.0)

    def committed(self, oldest_ms: int | None) -> None:
        """Note the oldest timestamp (ms since 1970-01-01 UTC) of a committed batch."""
        if oldest_ms is not None:
            self._since = oldest_ms / 1000

    def lag(self, topic: str, partition: int, records: int | None) -> None:
        """Note a partition's lag; None when another worker has it now."""
        if records is None:
            self._lag.pop((topic, partition), None)
        else:
            self._lag[topic, partition] = records
        if not any(self._lag.values()):
            self._since = None
        elif self._since is None:
            self._since = self.wall_clock()
