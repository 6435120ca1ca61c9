"""Small candidates for tests of the stream: a rise in noise, quick to make and to score."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stream_worker.candidate import AlertFinderDetection, Candidate, Tense, candidate_id
from stream_worker.preprocessing import SITES, LightCurve

PRODUCED_AT = 1_620_632_800_000
T_CUT = 9344.75


def light_curve(
    rng: np.random.Generator, site: str, n: int, t_break: float, t_cut: float, slope: float
) -> LightCurve:
    hjd = np.sort(rng.uniform(t_cut - 60, t_cut - 0.01, n))
    flux_err = rng.uniform(200, 400, n)
    flux = rng.normal(0, flux_err) + slope * np.maximum(hjd - t_break, 0)
    return LightCurve(
        site=site,
        dataset="BLG11",
        hjd=hjd,
        flux=flux.astype(np.float32),
        flux_err=flux_err.astype(np.float32),
        sky_background=rng.uniform(600, 2000, n).astype(np.float32),
        fwhm=rng.uniform(3, 8, n).astype(np.float32),
        airmass=rng.uniform(1, 2, n).astype(np.float32),
        psf_quality=rng.uniform(0.5, 2, n).astype(np.float32),
    )


def make_candidate(rng: np.random.Generator, number: int, *, points: tuple[int, int] = (20, 90)) -> Candidate:
    star_id = f"BLG11M{number // 1_000_000:04d}.{number % 1_000_000:06d}"
    t_break, slope = T_CUT - rng.uniform(3, 15), float(rng.uniform(0, 500))
    return Candidate(
        candidate_id=candidate_id("KMTNet", star_id, T_CUT),
        survey="KMTNet",
        season=2021,
        run_id="2021-05-10",
        tense=Tense.TEST,
        replay_id=None,
        star_id=star_id,
        field="BLG11",
        chip="M",
        x=float(np.float32(rng.uniform(0, 9000))),
        y=float(np.float32(rng.uniform(0, 9000))),
        ra=float(rng.uniform(262, 272)),
        dec=float(rng.uniform(-35, -22)),
        baseline_mag=float(np.float32(rng.uniform(16, 20))),
        alertfinder=AlertFinderDetection("CTIO", "BLG11", 12, t_break, T_CUT, slope, 500.0),
        light_curves=tuple(
            light_curve(rng, site, int(rng.integers(*points)), t_break, T_CUT, slope) for site in SITES
        ),
        produced_at=PRODUCED_AT,
    )


def make_candidates(n: int, seed: int) -> Iterator[Candidate]:
    rng = np.random.default_rng(seed)
    for number in range(n):
        yield make_candidate(rng, number)
