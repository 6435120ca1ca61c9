"""Detections of many stars in one table: millions of them in a season, few of which are ever looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream_worker.alertfinder import Detection, RunDate
from stream_worker.preprocessing import SITES

DETECTION_ROW: Final = np.dtype(
    [
        ("star", "<i4"),
        ("run", "<i2"),
        ("site", "<i1"),
        ("dataset", "<i1"),
        ("n_high", "<i2"),
        ("subset", "<i1"),
        ("t_break", "<f8"),
        ("slope", "<f8"),
        ("delta_chi2", "<f8"),
    ]
)
"""Star number, places among the runs, SITES and the datasets' names, a bit per site of the subset."""

DetectionRows = NDArray[np.void]
"""Rows [n] of `DETECTION_ROW`."""


class DetectionCode:
    """Translates detections into rows and back.

    Parameters
    ----------
    dates
        All runs.
    datasets
        Names of all datasets.
    """

    def __init__(self, dates: Sequence[RunDate], datasets: Sequence[str]) -> None:
        self._dates = tuple(dates)
        self._run: Mapping[str, int] = {date.run_id: i for i, date in enumerate(dates)}
        self._datasets = tuple(datasets)
        self._dataset: Mapping[str, int] = {name: i for i, name in enumerate(datasets)}

    def rows(self, star: int, detections: Sequence[Detection]) -> DetectionRows:
        """Return one star's detections as rows."""
        found = [
            (
                star,
                self._run[one.run_id],
                SITES.index(one.site),
                self._dataset[one.dataset],
                one.n_high,
                sum(1 << SITES.index(site) for site in one.subset),
                one.t_break,
                one.slope,
                one.delta_chi2,
            )
            for one in detections
        ]
        return np.array(found, dtype=DETECTION_ROW)

    def detection(self, row: Any) -> Detection:
        """Return the detection of one row."""
        date = self._dates[int(row["run"])]
        return Detection(
            run_id=date.run_id,
            t_cut=date.t_cut,
            site=SITES[int(row["site"])],
            dataset=self._datasets[int(row["dataset"])],
            n_high=int(row["n_high"]),
            t_break=float(row["t_break"]),
            slope=float(row["slope"]),
            delta_chi2=float(row["delta_chi2"]),
            subset=tuple(site for i, site in enumerate(SITES) if int(row["subset"]) >> i & 1),
        )


def by_run(rows: DetectionRows, n_runs: int) -> list[DetectionRows]:
    """Split rows by run, those of a run by star number."""
    ordered = rows[np.lexsort((rows["star"], rows["run"]))]
    bounds = np.searchsorted(ordered["run"], np.arange(n_runs + 1))
    return [ordered[first:last] for first, last in pairwise(bounds)]
