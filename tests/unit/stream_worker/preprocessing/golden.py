"""Golden vectors: synthetic candidates and what preprocessing makes of them, in golden.npz beside this file.

Run ``python tests/unit/stream_worker/preprocessing/golden.py`` to write them anew, and only together
with a new PREPROCESSING_VERSION: the file says what the released version does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stream_worker.preprocessing import (
    COLUMNS,
    FEATURES,
    SITES,
    LightCurve,
    Prepared,
    PreprocessingOptions,
    Standardisation,
    prepare,
    standardise,
)

PATH = Path(__file__).with_suffix(".npz")
MODES = ("default", "paper")
N_CANDIDATES = 4
T_CUT = 9344.75


def synthetic_candidates(seed: int = 20210519) -> Iterator[tuple[list[LightCurve], float, float, float]]:
    """Yield light curves, t_break, ra and dec of candidates that take every path."""
    rng = np.random.default_rng(seed)
    three_sites = [_light_curve(rng, site, "BLG01", 60) for site in SITES]
    yield three_sites, 9330.0, 268.4, -31.0
    overlap = [
        _light_curve(rng, "CTIO", "BLG02", 50),
        _light_curve(rng, "CTIO", "BLG42", 45, missing=("fwhm", "airmass")),
        _light_curve(rng, "SAAO", "BLG02", 40, t_end=9315.0),
        _light_curve(rng, "SAAO", "BLG42", 35, t_start=9316.0),
    ]
    yield overlap, 9332.0, 269.1, -29.2
    bare = [_light_curve(rng, "SSO", "BLG14", 80, missing=COLUMNS[3:])]
    yield bare, 9340.0, 264.6, -28.4
    few_before = [_light_curve(rng, "SAAO", "BLG13", 30), _light_curve(rng, "SSO", "BLG13", 4)]
    yield few_before, 9290.5, 263.4, -33.6


def _light_curve(
    rng: np.random.Generator,
    site: str,
    dataset: str,
    n: int,
    *,
    t_start: float = 9290.0,
    t_end: float = 9346.0,
    missing: tuple[str, ...] = (),
) -> LightCurve:
    """A rise with dirt, some of it after T_CUT, in the order and the types of a packet."""
    hjd = np.sort(rng.uniform(t_start, t_end, n))[rng.permutation(n)]
    flux_err = rng.lognormal(np.log(300.0), 0.3, n)
    columns: dict[str, Any] = {
        "flux": rng.normal(0.0, 1.5 * flux_err)
        + 200.0 * np.maximum(hjd - 9331.0, 0.0)
        + rng.normal(0.0, 800.0),
        "flux_err": flux_err,
        "sky_background": rng.lognormal(7.0, 0.4, n),
        "fwhm": rng.lognormal(np.log(4.5), 0.25, n),
        "airmass": rng.uniform(1.0, 2.0, n),
        "psf_quality": rng.lognormal(0.0, 0.25, n),
    }
    columns["flux"][rng.integers(n, size=2)] += 12000.0
    columns["flux_err"][rng.integers(n)] = -1.0
    columns["sky_background"][rng.integers(n)] = np.nan
    columns["fwhm"][rng.integers(n)] = -1.0
    columns["psf_quality"][rng.integers(n)] = 150.0
    hjd[rng.integers(n)] = hjd[0]
    packed = {k: None if k in missing else values.astype(np.float32) for k, values in columns.items()}
    return LightCurve(site, dataset, hjd, **packed)


def standardisation() -> Standardisation:
    """Return a standardisation of plausible numbers, different for every site and feature."""
    sites, features = np.mgrid[1 : len(SITES) + 1, 1 : len(FEATURES) + 1].astype(float)
    mean, sd = 3.0 * sites - 0.7 * features, 0.5 + sites + 2.0 * features
    mean[:, FEATURES.index("one") :], sd[:, FEATURES.index("one") :] = 0.0, 1.0
    return Standardisation(mean, sd)


def read_candidate(
    arrays: Mapping[str, np.ndarray], index: int
) -> tuple[list[LightCurve], float, float, float]:
    """Return the light curves, t_break, ra and dec of candidate `index`."""
    light_curves = []
    for k, name in enumerate(arrays[f"{index}/datasets"]):
        site, dataset = str(name).split("/")
        columns = {c: arrays.get(f"{index}/{k}/{c}") for c in COLUMNS}
        light_curves.append(LightCurve(site, dataset, **columns))  # type: ignore[arg-type]
    t_break, ra, dec = arrays[f"{index}/where"].tolist()
    return light_curves, t_break, ra, dec


def preprocess(arrays: Mapping[str, np.ndarray], index: int, mode: str) -> Prepared:
    """Prepare candidate `index` as this version of the code does."""
    light_curves, t_break, ra, dec = read_candidate(arrays, index)
    options = PreprocessingOptions(mode=mode)  # type: ignore[arg-type]
    return prepare(light_curves, t_break=t_break, t_cut=T_CUT, ra=ra, dec=dec, options=options)


def main() -> None:
    """Write the golden vectors."""
    arrays: dict[str, np.ndarray] = {}
    for index, (light_curves, *where) in enumerate(synthetic_candidates()):
        arrays[f"{index}/where"] = np.array(where)
        arrays[f"{index}/datasets"] = np.array([f"{curve.site}/{curve.dataset}" for curve in light_curves])
        for k, curve in enumerate(light_curves):
            columns = {name: getattr(curve, name) for name in COLUMNS}
            arrays |= {f"{index}/{k}/{c}": values for c, values in columns.items() if values is not None}
        for mode in MODES:
            prepared = preprocess(arrays, index, mode)
            inputs = standardise(prepared, standardisation())
            for site, matrix, values in zip(SITES, prepared.sites, inputs, strict=True):
                arrays[f"{index}/{mode}/{site}/features"] = matrix
                arrays[f"{index}/{mode}/{site}/inputs"] = values
    np.savez_compressed(PATH, **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
