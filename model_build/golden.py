"""Golden vectors for a bundle: ragged batches and raw candidates with everything real ones have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stream_worker.batching import Branches
from stream_worker.bundle import Golden, GoldenCandidate
from stream_worker.preprocessing import (
    FEATURES,
    SITES,
    LightCurve,
    PreprocessingOptions,
    Standardisation,
    prepare,
    standardise,
)
from stream_worker.scoring import Scores

_LENGTHS = ((5, 3, 7), (1, 0, 0), (0, 1, 0), (0, 4, 2), (1, 1, 1), (0, 0, 12), (40, 0, 25), (64, 31, 90))
_T_BREAK, _T_CUT = 9330.0, 9344.75
_RA, _DEC = 264.6, -28.4


def make_golden(
    oracle: Callable[[Sequence[Branches]], Scores],
    standardisation: Standardisation,
    options: PreprocessingOptions,
    seed: int = 0,
) -> Golden:
    """Make golden vectors; ``oracle`` gives the expected outputs: the masked network, not its export."""
    rng = np.random.default_rng(seed)
    batch = tuple(random_branches(lengths, rng) for lengths in _LENGTHS)
    candidates = tuple(
        _candidate(light_curves, standardisation, options)
        for light_curves in (_overlapping_sites(rng), _single_site(rng))
    )
    expected = oracle([*batch, *(candidate.branches for candidate in candidates)])
    return Golden(batch, candidates, expected.p_review, expected.class_probabilities)


def random_branches(lengths: tuple[int, int, int], rng: np.random.Generator) -> Branches:
    """Standard-normal branches of given lengths, channel ``one`` 1 as in real ones."""
    series = [rng.standard_normal((n, len(FEATURES))).astype(np.float32) for n in lengths]
    for rows in series:
        rows[:, FEATURES.index("one")] = 1.0
    ctio, saao, sso = series
    return ctio, saao, sso


def _candidate(
    light_curves: tuple[LightCurve, ...], standardisation: Standardisation, options: PreprocessingOptions
) -> GoldenCandidate:
    prepared = prepare(light_curves, t_break=_T_BREAK, t_cut=_T_CUT, ra=_RA, dec=_DEC, options=options)
    branches = standardise(prepared, standardisation)
    return GoldenCandidate(light_curves, _T_BREAK, _T_CUT, _RA, _DEC, branches)


def _overlapping_sites(rng: np.random.Generator) -> tuple[LightCurve, ...]:
    """Two overlapping fields at one site, another without auxiliaries; dirt and points after the cut."""
    auxiliaries = ("sky_background", "fwhm", "airmass", "psf_quality")
    return (
        _light_curve(SITES[0], "BLG02", 60, rng, auxiliaries),
        _light_curve(SITES[0], "BLG42", 55, rng, auxiliaries),
        _light_curve(SITES[1], "BLG02", 40, rng, ("fwhm", "airmass")),
        _light_curve(SITES[2], "BLG02", 30, rng, ()),
    )


def _single_site(rng: np.random.Generator) -> tuple[LightCurve, ...]:
    return (_light_curve(SITES[2], "BLG14", 25, rng, ("sky_background", "psf_quality")),)


def _light_curve(
    site: str, dataset: str, n: int, rng: np.random.Generator, auxiliaries: tuple[str, ...]
) -> LightCurve:
    """Return a broken-line rise in any order, with an outlier, a repeated row, sentinels and a NaN."""
    hjd = np.round(rng.uniform(_T_CUT - 60.0, _T_CUT + 3.0, n), 5)
    hjd[1] = hjd[0]
    flux = 40.0 * np.maximum(hjd - _T_BREAK, 0.0) + rng.normal(0.0, 60.0, n) + 300.0
    flux[2] += 3000.0
    flux_err = rng.uniform(40.0, 80.0, n)
    flux_err[3], flux_err[4] = -1.0, np.nan
    columns = {
        "sky_background": rng.lognormal(6.8, 0.3, n),
        "fwhm": np.where(np.arange(n) == 5, -1.0, rng.lognormal(1.4, 0.2, n)),
        "airmass": rng.uniform(1.0, 1.9, n),
        "psf_quality": rng.lognormal(0.0, 0.25, n),
    }
    return LightCurve(
        site=site,
        dataset=dataset,
        hjd=hjd,
        flux=flux.astype(np.float32),
        flux_err=flux_err.astype(np.float32),
        **{name: columns[name].astype(np.float32) for name in auxiliaries},
    )
