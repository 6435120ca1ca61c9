"""Augmentation: crops of a light curve at identical times over all sites (Viaña et al. 2025, sec. 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_worker.candidate import Candidate
from stream_worker.preprocessing import (
    FEATURES,
    Cleaned,
    Prepared,
    PreprocessingOptions,
    TooFewObservations,
    clean,
    crop,
    features,
)

MIN_BEFORE: Final = 10
MIN_AFTER: Final = 5
_LEFT: Final = 0.9  # most of what precedes the break that a crop takes away
_RIGHT: Final = 0.5  # most of what follows it
_TRIES: Final = 200
_T: Final = FEATURES.index("t")


class Crop(NamedTuple):
    """The part of a light curve with t_first <= HJD - 2450000 <= t_last, at all sites."""

    t_first: float
    t_last: float


@dataclass(frozen=True, slots=True)
class Offer:
    """What a candidate can give: whether it can be prepared as it is, and crops of it."""

    candidate_id: str
    usable: bool
    crops: tuple[Crop, ...]


def offer(candidate: Candidate, most: int, rng: np.random.Generator, options: PreprocessingOptions) -> Offer:
    """Prepare a candidate, and draw at most so many crops that leave enough of it.

    Some site must keep `MIN_BEFORE` observations before the break and `MIN_AFTER` since. A candidate that
    has no more than that before its break even whole (its rise began with the season) is cut on the right
    only, so that such candidates are no rarer among the crops.
    """
    try:
        cleaned = _clean(candidate, options)
        whole = _features(candidate, cleaned)
    except TooFewObservations:
        return Offer(candidate.candidate_id, usable=False, crops=())
    before = MIN_BEFORE if _enough(whole, MIN_BEFORE + 1) else 0
    return Offer(candidate.candidate_id, usable=True, crops=_draw(candidate, cleaned, before, most, rng))


def prepare_copies(
    candidate: Candidate, crops: Sequence[Crop | None], options: PreprocessingOptions
) -> list[Prepared]:
    """Prepare crops of a candidate as if nothing else had been observed; None asks for it whole.

    Only t_break stays what AlertFinder found with all of the light curve.

    Raises
    ------
    TooFewObservations
        If no site keeps `min_points` observations.
    """
    cleaned = _clean(candidate, options)
    return [_features(candidate, cleaned if part is None else _cropped(cleaned, part)) for part in crops]


def share_out(available: NDArray[np.int64], total: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Share out a number of crops over stars as evenly as what each has available allows.

    Parameters
    ----------
    available : int64 [n]
        Most for each star.
    total
        Wanted of all; what they lack is not given.
    rng
        Draws which stars get one more than others.

    Returns
    -------
    int64 [n]
    """
    given = np.zeros_like(available)
    for level in range(int(available.max(initial=0))):
        able = np.flatnonzero(available > level)
        left = total - int(given.sum())
        given[able if left >= able.size else rng.choice(able, left, replace=False)] += 1
    return given


def _draw(
    candidate: Candidate, cleaned: Cleaned, before: int, most: int, rng: np.random.Generator
) -> tuple[Crop, ...]:
    """Cut up to 0.9 of the time before the break and up to 0.5 of the time since, uniformly."""
    t_break = candidate.alertfinder.t_break
    observed = [hjd for hjd in cleaned.series.hjd if hjd.size]
    t_first, t_last = min(hjd[0] for hjd in observed), max(hjd[-1] for hjd in observed)
    left = _LEFT * (t_break - t_first) if before else 0.0
    right = _RIGHT * (t_last - t_break)
    accepted: list[Crop] = []
    for _ in range(_TRIES if right > 0.0 else 0):
        if len(accepted) == most:
            break
        part = Crop(float(t_first + rng.uniform(0.0, left)), float(t_last - rng.uniform(0.0, right)))
        if _promising(observed, part, t_break, before) and _leaves_enough(candidate, cleaned, part, before):
            accepted.append(part)
    return tuple(accepted)


def _promising(observed: Sequence[NDArray[np.float64]], part: Crop, t_break: float, before: int) -> bool:
    """As `_enough`, before outliers and incomplete rows go: quick."""
    for hjd in observed:
        first, middle = hjd.searchsorted((part.t_first, t_break))
        if middle - first >= before and hjd.searchsorted(part.t_last, "right") - middle >= MIN_AFTER:
            return True
    return False


def _leaves_enough(candidate: Candidate, cleaned: Cleaned, part: Crop, before: int) -> bool:
    try:
        return _enough(_features(candidate, _cropped(cleaned, part)), before)
    except TooFewObservations:
        return False


def _enough(prepared: Prepared, before: int) -> bool:
    """Tell whether some site has so many observations before the break and `MIN_AFTER` since."""
    early = [site[:, _T] < prepared.t_break for site in prepared.sites]
    return any(mine.sum() >= before and (~mine).sum() >= MIN_AFTER for mine in early)


def _cropped(cleaned: Cleaned, part: Crop) -> Cleaned:
    return crop(cleaned, t_first=part.t_first, t_last=part.t_last)


def _clean(candidate: Candidate, options: PreprocessingOptions) -> Cleaned:
    detection = candidate.alertfinder
    return clean(candidate.light_curves, t_cut=detection.t_cut, t_break=detection.t_break, options=options)


def _features(candidate: Candidate, cleaned: Cleaned) -> Prepared:
    return features(cleaned, t_break=candidate.alertfinder.t_break, ra=candidate.ra, dec=candidate.dec)
