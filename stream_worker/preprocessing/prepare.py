"""All steps of a candidate, before standardisation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stream_worker.preprocessing.clean import Cleaned, clean_each
from stream_worker.preprocessing.features import Prepared, Target, features_each
from stream_worker.preprocessing.light_curve import LightCurve
from stream_worker.preprocessing.options import PreprocessingOptions
from stream_worker.preprocessing.report import TooFewObservations


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of a candidate: its light curves, its t_cut (HJD - 2450000) and its target."""

    light_curves: Iterable[LightCurve]
    t_cut: float
    target: Target


def prepare(
    light_curves: Iterable[LightCurve],
    *,
    t_break: float,
    t_cut: float,
    ra: float,
    dec: float,
    options: PreprocessingOptions | None = None,
) -> Prepared:
    """Do `clean` and `features` at once; see there for parameters and errors."""
    observed = Observed(light_curves, t_cut, Target(t_break, ra, dec))
    (found,) = prepare_each([observed], options or PreprocessingOptions())
    if isinstance(found, TooFewObservations):
        raise found
    return found


def prepare_each(
    candidates: Sequence[Observed], options: PreprocessingOptions
) -> list[Prepared | TooFewObservations]:
    """Prepare several candidates, each to the bit as if alone, in a fraction of the time.

    Returns
    -------
    list
        Per candidate its features, views of one matrix of all; or that it has too few observations.

    Raises
    ------
    ValueError
        If a t_cut is not finite.
    """
    if not candidates:
        return []
    cleaned = clean_each(
        [one.light_curves for one in candidates],
        [one.t_cut for one in candidates],
        [one.target.t_break for one in candidates],
        options,
    )
    usable = [
        (one, candidate.target)
        for one, candidate in zip(cleaned, candidates, strict=True)
        if isinstance(one, Cleaned)
    ]
    if not usable:
        return [one for one in cleaned if isinstance(one, TooFewObservations)]
    prepared = iter(features_each([one for one, _ in usable], [target for _, target in usable], options))
    return [next(prepared) if isinstance(one, Cleaned) else one for one in cleaned]
