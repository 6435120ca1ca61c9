"""What the preprocessing did to a candidate, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

ROW_RULES: Final = ("not_finite", "flux_err", "psf_quality", "fwhm", "duplicate")
"""Rules on single rows, in the order in which a row that breaks several is attributed."""

OUTLIER_RULES: Final = (
    "outlier_flux",
    "outlier_flux_err",
    "outlier_sky_background",
    "outlier_fwhm",
    "outlier_airmass",
    "outlier_psf_quality",
)
"""Outlier rules, by the column that is most out of line."""

LATER_RULES: Final = (*OUTLIER_RULES, "missing_value")
"""Rules of the steps after `clean`."""

RULES: Final = (*ROW_RULES, "max_points", *LATER_RULES)
"""Every rule that removes rows, in the order of application."""

OffsetMethod = Literal["reference", "common_nights", "pre_break_medians", "medians"]


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """One dataset of a site and how it was merged.

    Parameters
    ----------
    dataset : str
        Its name.
    rows : int
        Valid rows it brought in.
    offset : float
        Flux added to it before merging.
    method : str
        Where the offset comes from; ``"reference"`` is the dataset the others are moved to.
    """

    dataset: str
    rows: int
    offset: float
    method: OffsetMethod


@dataclass(frozen=True, slots=True)
class SiteReport:
    """Rows of one site: ``rows_in == rows_kept + sum(removed.values())``.

    Parameters
    ----------
    site : str
        One of `SITES`.
    rows_in : int
        Rows up to t_cut (later rows leave no trace, not even here).
    rows_kept : int
        Rows that reach the network.
    removed : mapping of str to int
        Rows removed, for every name in `RULES`.
    hjd_last : float or None
        HJD - 2450000 of the newest row kept; None where none is.
    auxiliaries : tuple of str
        Auxiliary columns that at least one of the datasets has.
    datasets : tuple of DatasetReport
        Datasets merged, the reference first.
    """

    site: str
    rows_in: int
    rows_kept: int
    removed: Mapping[str, int]
    hjd_last: float | None
    auxiliaries: tuple[str, ...]
    datasets: tuple[DatasetReport, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Reports of the three sites, in the order of `SITES`."""

    sites: tuple[SiteReport, SiteReport, SiteReport]

    def __str__(self) -> str:
        return "; ".join(_describe(site) for site in self.sites)


class TooFewObservations(Exception):
    """No site keeps enough observations (Viaña et al. 2025, sec. 5.2).

    Parameters
    ----------
    report : Report
        What was there and which rule removed it.
    min_points : int
        Observations that one site must have.
    """

    def __init__(self, report: Report, min_points: int) -> None:
        super().__init__(report, min_points)
        self.report = report
        self.min_points = min_points

    def __str__(self) -> str:
        return f"no site keeps {self.min_points} observations: {self.report}"


def _describe(site: SiteReport) -> str:
    removed = ", ".join(f"{rule} {n}" for rule, n in site.removed.items() if n)
    return f"{site.site} {site.rows_kept} of {site.rows_in}" + (f" (removed: {removed})" if removed else "")
