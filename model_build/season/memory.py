"""What reviewers remember from run to run: stars rejected lately, and candidates that passed lately.

A memory is a value: each run takes one and returns the next, so that a season can go on from any run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from model_build.season.vetting import Flagged, VettingConfig
from stream_worker.alertfinder import RunDate


@dataclass(frozen=True, slots=True)
class ReviewMemory:
    """The state between two runs.

    Parameters
    ----------
    last_run
        Run id (UT day, ``"2021-04-12"``) of the last review, None before the first.
    rejected
        Star id to the run id of its last rejection, of those that can still be old at a later run.
    passed
        Candidates that passed the light-curve review, of those that later ones may be compared with.
    """

    last_run: str | None = None
    rejected: Mapping[str, str] = field(default_factory=dict)
    passed: tuple[Flagged, ...] = ()

    def is_old(self, star_id: str, run_id: str, config: VettingConfig) -> bool:
        """Tell whether a star was rejected on one of the last ``memory_days`` calendar days."""
        last = self.rejected.get(star_id)
        return last is not None and 0 < _days(last, run_id) <= config.memory_days

    def after(
        self, run: RunDate, *, rejected: Iterable[str], passed: Iterable[Flagged], config: VettingConfig
    ) -> ReviewMemory:
        """Return the memory after a run's review.

        Parameters
        ----------
        run
            Later than the last.
        rejected
            Star ids that were reviewed and not selected, by their light curves or by their images. Old
            stars that nobody reviewed again are not among them: their rejection keeps its day.
        passed
            Candidates that passed the light-curve review; their stars leave memory unless rejected since.
        config
            How long things are remembered.

        Raises
        ------
        ValueError
            If the run isn't later than the last one.
        """
        if self.last_run is not None and _days(self.last_run, run.run_id) <= 0:
            raise ValueError(f"run {run.run_id} does not follow run {self.last_run}")
        new, chosen = set(rejected), tuple(passed)
        selected = {one.star_id for one in chosen} - new
        kept = {
            star_id: day
            for star_id, day in self.rejected.items()
            if star_id not in selected and _days(day, run.run_id) < config.memory_days
        }
        kept |= dict.fromkeys(new, run.run_id)
        recent = [one for one in self.passed if run.t_cut - one.t_cut <= config.neighbour_days]
        in_order = sorted((*recent, *chosen), key=lambda one: (one.t_cut, one.star_id))
        return ReviewMemory(run.run_id, dict(sorted(kept.items())), tuple(in_order))


def _days(earlier: str, later: str) -> int:
    """Return the calendar days between two run ids."""
    return (date.fromisoformat(later) - date.fromisoformat(earlier)).days
