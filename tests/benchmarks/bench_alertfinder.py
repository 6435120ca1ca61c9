"""Processor milliseconds to scan a star: 120 runs, 7 combinations of 3 sites, 850 points a site.

Run: python tests/benchmarks/bench_alertfinder.py [--repeats N] [--json]

The aim is less than 25 ms for the stars of a season in one field. "always rising" bounds it from above:
it passes the count of high points at all runs and so is fitted every time, which no real star does. Two
fields have twice the points.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from stream_worker.alertfinder import DetectionConfig, RunDate, Thresholds, scan
from stream_worker.preprocessing import SITES, LightCurve

N_POINTS = 850
LIMIT_MS = 25.0
FIRST, LAST = 9264.5, 9515.5
T_CUTS = [9314.75 + 1.4 * day for day in range(120)]
DATES = [RunDate(f"run {n}", t_cut) for n, t_cut in enumerate(T_CUTS)]
HIGH, LOW = Thresholds(10, 400.0), Thresholds(5, 250.0)
CONFIG = DetectionConfig(
    max_flux_err=2000.0,
    max_fwhm=10.0,
    max_psf_quality=20.0,
    high_sigma=3.0,
    n_more=10,
    max_age_days=3.5,
    consecutive=False,
    high_cadence_from=1.0,
    high_cadence=HIGH,
    low_cadence=LOW,
)

SHAPES = {
    "quiet": lambda t: 0.0 * t,
    "event, t_E 20 d": lambda t: 2000.0 / np.hypot(0.1, (t - 9400.0) / 20.0),
    "Mira, 150 d": lambda t: 3000.0 * np.sin(2 * np.pi * t / 150.0),
    "always rising": lambda t: 40.0 * (t - FIRST),
}


def star(rng: np.random.Generator, shape: str, n_fields: int) -> list[LightCurve]:
    """Datasets of `n_fields` fields at each site, scatter twice the quoted error."""
    curves = []
    for site in SITES:
        for number in range(n_fields):
            t = np.sort(rng.integers(int(FIRST), int(LAST), N_POINTS) + rng.uniform(0.0, 0.3, N_POINTS))
            err = rng.lognormal(np.log(300.0), 0.3, N_POINTS)
            flux = SHAPES[shape](t) + rng.normal(0.0, 2.0 * err)
            columns = [rng.lognormal(0.5, 0.3, N_POINTS).astype(np.float32) for _ in range(4)]
            curves.append(LightCurve(site, f"BLG{number:02d}", t, flux, err, *columns))
    return curves


def measure(shape: str, n_fields: int, repeats: int) -> dict:
    """Median and least processor time over different stars."""
    rng = np.random.default_rng(1)
    times = []
    n_flagged = 0
    for _ in range(repeats):
        curves = star(rng, shape, n_fields)
        start = time.thread_time()
        n_flagged += len(scan(curves, DATES, CONFIG, HIGH))
        times.append(time.thread_time() - start)
    return {
        "median_ms": round(1e3 * float(np.median(times)), 2),
        "least_ms": round(1e3 * min(times), 2),
        "runs_flagged": round(n_flagged / repeats, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    cases = {f"{shape}, {n} field{'s' * (n > 1)}": (shape, n) for n in (1, 2) for shape in SHAPES}
    results = {name: measure(*case, arguments.repeats) for name, case in cases.items()}
    if arguments.json:
        print(json.dumps({"limit_ms": LIMIT_MS, "scan": results}, indent=2))
        return
    for name, found in results.items():
        print(
            f"{name:28s} median {found['median_ms']:6.2f} ms, least {found['least_ms']:6.2f} ms, "
            f"{found['runs_flagged']:5.1f} runs flagged"
        )


if __name__ == "__main__":
    main()
