"""Milliseconds that one core needs to preprocess a candidate (`prepare` and `standardise`) and to trigger.

Run: python tests/benchmarks/bench_preprocessing.py [--repeats N] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence

import numpy as np

from stream_worker.preprocessing import (
    SITES,
    LightCurve,
    Standardisation,
    fit_standardisation,
    prepare,
    standardise,
    trigger,
)

T_CUT = 9344.75
T_BREAK = 9325.0
WHERE = {"ra": 268.4, "dec": -31.0}
N_DISTINCT = 20  # candidates in turn: branch predictors learn a single one by heart

Candidate = list[LightCurve]


def light_curve(
    rng: np.random.Generator,
    site: str,
    dataset: str,
    n: int,
    *,
    auxiliaries: bool = True,
    shuffled: bool = False,
) -> LightCurve:
    """One dataset with a rise after T_BREAK, 1 % outliers and the sentinels of real files."""
    hjd = np.sort(rng.uniform(T_CUT - 90.0, T_CUT, n))
    err = rng.lognormal(np.log(300.0), 0.3, n)
    flux = rng.normal(0.0, 1.5 * err) + 100.0 * np.maximum(hjd - T_BREAK, 0.0)
    flux[rng.random(n) < 0.01] += 5000.0
    fwhm = rng.lognormal(np.log(4.5), 0.25, n)
    fwhm[rng.random(n) < 0.004] = -1.0
    order = rng.permutation(n) if shuffled else np.arange(n)
    columns = [err, rng.lognormal(7.0, 0.5, n), fwhm, rng.uniform(1.0, 2.0, n), rng.lognormal(0.0, 0.25, n)]
    err, *extra = (values[order].astype(np.float32) for values in columns)
    if not auxiliaries:
        extra = [None] * 4
    return LightCurve(site, dataset, hjd[order], flux[order].astype(np.float32), err, *extra)


def cases() -> dict[str, Callable[[np.random.Generator], Candidate]]:
    return {
        "3 x 1500": lambda rng: [light_curve(rng, site, "BLG01", 1500) for site in SITES],
        "3 x 1500, shuffled rows": lambda rng: [
            light_curve(rng, site, "BLG01", 1500, shuffled=True) for site in SITES
        ],
        "3 x 1500, no auxiliaries": lambda rng: [
            light_curve(rng, site, "BLG01", 1500, auxiliaries=False) for site in SITES
        ],
        "6 x 750, overlapping fields": lambda rng: [
            light_curve(rng, site, dataset, 750) for site in SITES for dataset in ("BLG02", "BLG42")
        ],
        "3 x 400": lambda rng: [light_curve(rng, site, "BLG14", 400) for site in SITES],
    }


def milliseconds(
    function: Callable[[Candidate], object], candidates: Sequence[Candidate], repeats: int
) -> dict:
    """Median and least time of a call."""
    times = np.empty(repeats)
    for i in range(repeats):
        start = time.perf_counter()
        function(candidates[i % len(candidates)])
        times[i] = time.perf_counter() - start
    return {"median": round(1e3 * float(np.median(times)), 4), "least": round(1e3 * float(times.min()), 4)}


def preprocess(light_curves: Candidate, standardisation: Standardisation) -> object:
    return standardise(prepare(light_curves, t_break=T_BREAK, t_cut=T_CUT, **WHERE), standardisation)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=400, help="calls per figure")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    np.ones(
        1 << 20
    )  # the allocator of a process that once freed something large, as a worker has, keeps memory
    results = {}
    for name, make in cases().items():
        rng = np.random.default_rng(1)
        candidates = [make(rng) for _ in range(N_DISTINCT)]
        standardisation = fit_standardisation(
            prepare(light_curves, t_break=T_BREAK, t_cut=T_CUT, **WHERE) for light_curves in candidates
        )
        results[name] = {
            "preprocess_ms": milliseconds(
                lambda candidate, s=standardisation: preprocess(candidate, s), candidates, arguments.repeats
            ),
            "trigger_ms": milliseconds(
                lambda candidate: trigger(candidate, t_cut=T_CUT), candidates, arguments.repeats
            ),
        }
    if arguments.json:
        print(json.dumps(results))
        return
    print(
        f"{'candidate (one core)':30s} {'preprocess':>10s} {'least':>8s} {'trigger':>10s} {'least':>8s}  ms"
    )
    for name, result in results.items():
        figures = [
            result[key][kind] for key in ("preprocess_ms", "trigger_ms") for kind in ("median", "least")
        ]
        print(f"{name:30s} {figures[0]:10.3f} {figures[1]:8.3f} {figures[2]:10.3f} {figures[3]:8.3f}")


if __name__ == "__main__":
    main()
