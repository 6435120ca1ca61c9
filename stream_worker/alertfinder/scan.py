"""AlertFinder (Kim et al. 2018b; Viaña et al. 2025, sec. 3.2): stars that rise, at each run of a season.

At each run only observations up to its time count. All combinations of sites are looked at: those
with at least n_high of their newest n_high + n_more points high above the median get the broken line
of Eq. 1, and if it beats a flat line by enough the star is flagged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from stream_worker.alertfinder.break_search import Line, Prefixes, Suffixes
from stream_worker.alertfinder.star_at_runs import SUBSETS, StarAtRuns, high_points, star_at_runs
from stream_worker.preprocessing import SITES, LightCurve
from stream_worker.preprocessing.light_curve import BoolArray
from stream_worker.preprocessing.rows import FLUX_ERR, FWHM, KEPT, PSF, Rows, read_rows

_MIN_POINTS: Final = 3  # of a site that can name a detection
_JOINT: Final = tuple(sorted(range(len(SITES), len(SUBSETS)), key=lambda s: -len(SUBSETS[s])))


@dataclass(frozen=True, slots=True)
class RunDate:
    """One AlertFinder run.

    Parameters
    ----------
    run_id : str
        UT calendar day, e.g. ``"2021-04-12"``.
    t_cut : float
        Time of the run, HJD - 2450000; only older observations are known to it.
    """

    run_id: str
    t_cut: float


@dataclass(frozen=True, slots=True)
class Thresholds:
    """High points needed and the delta_chi2 that the broken line must exceed."""

    n_high: int
    delta_chi2: float

    def faults(self) -> list[str]:
        """What is wrong with the values, each by its name."""
        faults = [] if self.n_high >= 1 else [f"n_high: {self.n_high} is not at least 1"]
        if self.delta_chi2 < 0:
            faults.append(f"delta_chi2: {self.delta_chi2:g} is not at least 0")
        return faults


@dataclass(frozen=True, slots=True)
class DetectionConfig:
    """What AlertFinder masks and when it flags.

    Parameters
    ----------
    max_flux_err, max_fwhm, max_psf_quality
        Observations above these are masked (flux units, px, reduced chi-square).
    high_sigma
        A point is high from this many of its errors above the median on.
    n_more
        High points are sought among the newest n_high + n_more.
    max_age_days
        The newest point must be younger.
    consecutive
        Whether n_high high points must follow one another (Kim et al. 2018b), or just be there.
    high_cadence_from
        Exposures per hour from which the thresholds ``high_cadence`` hold, below ``low_cadence``.
    """

    max_flux_err: float
    max_fwhm: float
    max_psf_quality: float
    high_sigma: float
    n_more: int
    max_age_days: float
    consecutive: bool
    high_cadence_from: float
    high_cadence: Thresholds
    low_cadence: Thresholds

    def faults(self) -> list[str]:
        """What is wrong with the values, each by its name."""
        positive = ("max_flux_err", "max_fwhm", "max_psf_quality", "high_sigma", "max_age_days")
        values = ((name, getattr(self, name)) for name in positive)
        faults = [f"{name}: {value:g} is not above 0" for name, value in values if value <= 0]
        if self.n_more < 1:
            faults.append(f"n_more: {self.n_more} is not at least 1")
        if self.high_cadence_from < 0:
            faults.append(f"high_cadence_from: {self.high_cadence_from:g} is not at least 0")
        return faults

    def thresholds(self, cadence: float) -> Thresholds:
        """Return what holds for a field with ``cadence`` exposures per hour."""
        return self.high_cadence if cadence >= self.high_cadence_from else self.low_cadence


@dataclass(frozen=True, slots=True)
class Detection:
    """A star flagged at one run, named after the single site that shows it best.

    Parameters
    ----------
    run_id, t_cut
        The run and its time (HJD - 2450000).
    site, dataset
        Site with the largest delta_chi2 of its own (if any has fresh points, among those), and the
        dataset which alone has the largest of that site.
    n_high
        High points of that site among its newest n_high + n_more.
    t_break, slope, delta_chi2
        Its broken line: HJD - 2450000, flux per day, and the gain over a flat line.
    subset
        Sites whose joint light curve was flagged: the best single site if one is enough, else all
        three, else the first pair that is, in order of `SITES`.
    """

    run_id: str
    t_cut: float
    site: str
    dataset: str
    n_high: int
    t_break: float
    slope: float
    delta_chi2: float
    subset: tuple[str, ...]


def scan(
    curves: Sequence[LightCurve], dates: Sequence[RunDate], config: DetectionConfig, thresholds: Thresholds
) -> list[Detection]:
    """Return the detections of one star, in order of the dates.

    Rows that the preprocessing's rules remove (duplicates, errors <= 0, negative FWHM or PSF
    chi-square, no finite flux) and those beyond the limits of ``config`` are masked. Datasets of
    overlapping fields are merged per site after the median of each, up to the run, is subtracted.
    A site with fewer than 3 points counts only together with others.

    Parameters
    ----------
    curves
        Datasets of one star, rows in any order.
    dates
        Runs, ascending in time.
    config, thresholds
        `DetectionConfig.thresholds` gives those of a cadence.

    Raises
    ------
    ValueError
        If the dates don't ascend.
    """
    t_cuts = np.array([date.t_cut for date in dates])
    if np.any(t_cuts[1:] <= t_cuts[:-1]):
        raise ValueError(f"dates must ascend, got t_cut {t_cuts.tolist()}")
    if not t_cuts.size:
        return []
    star = star_at_runs(_unmasked(read_rows(curves, float(t_cuts[-1])), config), t_cuts)
    if not star.t.size:
        return []
    high = high_points(
        star,
        t_cuts,
        n_high=thresholds.n_high,
        n_newest=thresholds.n_high + config.n_more,
        high_sigma=config.high_sigma,
        max_age_days=config.max_age_days,
        consecutive=config.consecutive,
    )
    runs = np.flatnonzero(high.enough.any(axis=1)).tolist()
    if not runs:
        return []
    prefixes = Prefixes.of(star.t, star.flux, star.flux_err, star.dataset, star.datasets[: len(SITES)])
    alone: dict[int, Prefixes] = {}
    found = []
    for d in runs:
        sums = prefixes.after_breaks(int(star.n_rows[d]), star.medians[d])
        singles = _fit_sites(star, sums, d)
        subset = _flagged(star, sums, high.enough[d], singles, thresholds.delta_chi2)
        if subset is None or not singles:
            continue
        site = max(singles, key=lambda site: (high.fresh[d, site], singles[site].delta_chi2))
        found.append(
            Detection(
                run_id=dates[d].run_id,
                t_cut=dates[d].t_cut,
                site=SITES[site],
                dataset=_strongest_dataset(star, alone, d, site),
                n_high=int(high.count[d, site]),
                t_break=singles[site].t_break,
                slope=singles[site].slope,
                delta_chi2=singles[site].delta_chi2,
                subset=tuple(SITES[i] for i in subset),
            )
        )
    return found


def _unmasked(rows: Rows, config: DetectionConfig) -> Rows:
    """Return the valid rows within the limits; what isn't measured is within."""
    masked = (
        (rows.rule != KEPT)
        | (rows.columns[FLUX_ERR] > config.max_flux_err)
        | (rows.columns[FWHM] > config.max_fwhm)
        | (rows.columns[PSF] > config.max_psf_quality)
    )
    return rows.select(~masked)


def _fit_sites(star: StarAtRuns, sums: Suffixes, d: int) -> dict[int, Line]:
    """Return the line of each site with points enough to name a detection."""
    return {
        site: _fit(star, sums, site)
        for site in range(len(SITES))
        if star.n_points[d, list(star.datasets[site])].sum() >= _MIN_POINTS
    }


def _flagged(
    star: StarAtRuns, sums: Suffixes, enough: BoolArray, singles: Mapping[int, Line], threshold: float
) -> tuple[int, ...] | None:
    """Return the first combination, in `Detection.subset`'s order, whose line beats a flat one."""
    alone = {site: line.delta_chi2 for site, line in singles.items() if enough[site]}
    if alone and max(alone.values()) > threshold:
        return (max(alone, key=lambda site: alone[site]),)
    for s in _JOINT:
        if enough[s] and _fit(star, sums, s).delta_chi2 > threshold:
            return SUBSETS[s]
    return None


def _fit(star: StarAtRuns, sums: Suffixes, s: int) -> Line:
    """Fit the sites of subset ``s`` together."""
    rows = star.rows[s]
    return sums.fit(SUBSETS[s], rows[: np.searchsorted(rows, sums.t.size)])


def _strongest_dataset(star: StarAtRuns, alone: dict[int, Prefixes], d: int, site: int) -> str:
    """Return the site's dataset with the largest delta_chi2 of its own, the first by name if equal.

    ``alone`` keeps the sums of each site's datasets from run to run.
    """
    its = [k for k in star.datasets[site] if star.n_points[d, k]]
    if len(its) == 1:
        return star.names[its[0]]
    first, rows = star.datasets[site][0], star.rows[site]
    dataset = star.dataset[rows] - first
    if site not in alone:
        each = [[k - first] for k in star.datasets[site]]
        alone[site] = Prefixes.of(star.t[rows], star.flux[rows], star.flux_err[rows], dataset, each)
    n = int(star.n_points[d, its].sum())
    sums = alone[site].after_breaks(n, star.medians[d, list(star.datasets[site])])
    gains = [sums.fit([k - first], np.flatnonzero(dataset[:n] == k - first)).delta_chi2 for k in its]
    return star.names[its[gains.index(max(gains))]]
