"""Light curves for the tests of preprocessing: factories, seeded, dirt on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from stream_worker.preprocessing import AUXILIARIES, COLUMNS, SITES, LightCurve, Prepared

T_BREAK = 9325.0
T_CUT = 9344.75


def make_light_curve(
    seed: int = 0,
    n: int = 120,
    *,
    site: str = "CTIO",
    dataset: str = "BLG01",
    slope: float = 100.0,
    offset: float = 0.0,
    t_start: float = 9270.0,
    t_end: float = T_CUT,
    missing: tuple[str, ...] = (),
    dtype: type = np.float64,
) -> LightCurve:
    """A clean series that rises after T_BREAK; noise within the errors, so that nothing is an outlier."""
    rng = np.random.default_rng(seed)
    hjd = np.sort(rng.uniform(t_start, t_end, n))
    flux_err = rng.uniform(250.0, 350.0, n)
    flux = offset + rng.uniform(-1.0, 1.0, n) * flux_err + slope * np.maximum(hjd - T_BREAK, 0.0)
    columns = {
        "flux": flux,
        "flux_err": flux_err,
        "sky_background": rng.uniform(800.0, 1600.0, n),
        "fwhm": rng.uniform(3.0, 6.0, n),
        "airmass": rng.uniform(1.0, 1.9, n),
        "psf_quality": rng.uniform(0.8, 1.4, n),
    }
    columns = {name: None if name in missing else values.astype(dtype) for name, values in columns.items()}
    return LightCurve(site, dataset, hjd, **columns)


def make_dirty_candidate(seed: int) -> list[LightCurve]:
    """Two overlapping fields at one site, one at another; sentinels, NaN, inf, repeats, spikes, no order."""
    rng = np.random.default_rng(seed)
    light_curves = []
    for site, dataset, missing in (
        ("CTIO", "BLG02", ()),
        ("CTIO", "BLG42", ("fwhm",)),
        ("SSO", "BLG02", tuple(rng.choice(AUXILIARIES, 2, replace=False))),
    ):
        n = int(rng.integers(30, 90))
        clean = make_light_curve(int(rng.integers(1 << 30)), n, site=site, dataset=dataset, missing=missing)
        columns = {name: getattr(clean, name) for name in COLUMNS if getattr(clean, name) is not None}
        columns["flux"][rng.integers(n)] += 9000.0
        columns["hjd"][rng.integers(n)] = columns["hjd"][0]
        for values in columns.values():
            values[rng.integers(n)] = rng.choice([np.nan, np.inf, -np.inf, -1.0, 1e30, 0.0])
        order = rng.permutation(n)
        light_curves.append(LightCurve(site, dataset, **{k: v[order] for k, v in columns.items()}))
    return light_curves


def take(light_curve: LightCurve, index: np.ndarray) -> LightCurve:
    """The rows of a light curve at `index`, which may repeat and leave out."""
    columns = {name: getattr(light_curve, name) for name in COLUMNS}
    return replace(light_curve, **{k: None if v is None else v[index] for k, v in columns.items()})


def same_to_the_bit(one: Prepared, other: Prepared) -> bool:
    """Whether two candidates are prepared alike; the reports may differ."""
    return all(
        a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(one.sites, other.sites, strict=True)
    ) and (one.t_last, one.t_break, one.rises) == (other.t_last, other.t_break, other.rises)


@pytest.fixture(scope="session")
def light_curve() -> Callable[..., LightCurve]:
    return make_light_curve


@pytest.fixture(scope="session")
def dirty_candidate() -> Callable[[int], list[LightCurve]]:
    return make_dirty_candidate


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., LightCurve]:
    return take


@pytest.fixture(scope="session")
def alike() -> Callable[[Prepared, Prepared], bool]:
    return same_to_the_bit


@pytest.fixture(scope="session")
def three_sites() -> list[LightCurve]:
    return [make_light_curve(seed, site=site) for seed, site in enumerate(SITES)]
