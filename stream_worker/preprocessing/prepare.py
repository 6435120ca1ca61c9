"""All steps of a candidate, before standardisation."""

from __future__ import annotations

from collections.abc import Iterable

from stream_worker.preprocessing.clean import clean
from stream_worker.preprocessing.features import Prepared, features
from stream_worker.preprocessing.light_curve import LightCurve
from stream_worker.preprocessing.options import PreprocessingOptions


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
    cleaned = clean(light_curves, t_cut=t_cut, t_break=t_break, options=options)
    return features(cleaned, t_break=t_break, ra=ra, dec=dec)
