"""Options of the preprocessing and the version of its definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PREPROCESSING_VERSION: Final = "1"
"""Changes whenever the same candidate would give other features; part of every model bundle."""

Mode = Literal["default", "paper"]


@dataclass(frozen=True, slots=True)
class PreprocessingOptions:
    """Numbers of the preprocessing; the defaults are the survey's.

    Parameters
    ----------
    mode : {"default", "paper"}
        ``"paper"`` keeps fluxes as they are (Viaña et al. 2025, sec. 5.4); ``"default"`` turns them
        into asinh of the deviation from the star's baseline in units of its scatter, so that faint
        and bright rises are both visible.
    max_points : int
        Newest observations kept per site (sec. 5.2).
    min_points : int
        Valid observations that at least one site must have (sec. 5.2).
    median_window : int
        Odd width, in observations, of the running median of the flux.
    flux_limit, flux_limit_below, support_limit : float
        In units of max(error, robust scatter): an isolated flux that far above or below the running
        median is an outlier; a neighbour that far to the same side means it is not isolated.
    auxiliary_limit : float
        Robust z of the other columns beyond which a row is an outlier.
    max_outlier_fraction : float
        Most rows of a site that the outlier rules may remove, as a fraction.
    min_measured_fraction : float
        A dataset that has fewer finite values than this in an auxiliary column counts as lacking it.
    min_common_nights : int
        Nights observed by two datasets of a site that are needed to derive their offset.
    """

    mode: Mode = "default"
    max_points: int = 1500
    min_points: int = 10
    median_window: int = 11
    flux_limit: float = 8.0
    flux_limit_below: float = 5.0
    support_limit: float = 4.0
    auxiliary_limit: float = 6.0
    max_outlier_fraction: float = 0.05
    min_measured_fraction: float = 0.5
    min_common_nights: int = 3

    def __post_init__(self) -> None:
        if self.mode not in ("default", "paper"):
            msg = f"mode must be 'default' or 'paper', got {self.mode!r}"
            raise ValueError(msg)
        if self.median_window < 1 or self.median_window % 2 == 0:
            msg = f"median_window must be odd and positive, got {self.median_window}"
            raise ValueError(msg)
        if not 1 <= self.min_points <= self.max_points:
            msg = f"need 1 <= min_points <= max_points, got {self.min_points} and {self.max_points}"
            raise ValueError(msg)
