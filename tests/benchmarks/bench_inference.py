"""Rate of bare inference: length-sorted batches against batches padded to the longest of the window.

    python tests/benchmarks/bench_inference.py [--candidates 256] [--threads 2] [--seconds 5] [--json]

The window holds simulated candidates of a week in June, when light curves are half a season long.
Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from stream_worker.batching import length_sorted_batches
from stream_worker.bundle import load_bundle
from stream_worker.codec import read_candidates
from stream_worker.local_stream.simulation import simulation
from stream_worker.preprocessing import prepare, standardise
from stream_worker.scoring import open_scorer
from stream_worker.settings import Settings


def window_of(n, bundle):
    """``n`` simulated candidates as the network takes them."""
    with tempfile.TemporaryDirectory() as folder, simulation(n, 42, Path(folder)) as simulated:
        candidates = [candidate for path in simulated() for candidate in read_candidates(path)]
    window = []
    for candidate in candidates:
        detection = candidate.alertfinder
        prepared = prepare(
            candidate.light_curves,
            t_break=detection.t_break,
            t_cut=detection.t_cut,
            ra=candidate.ra,
            dec=candidate.dec,
            options=bundle.options,
        )
        window.append(standardise(prepared, bundle.standardisation))
    return window


def padded_rows(window, batches):
    """Rows that the graphs are given, padding included."""
    return sum(len(b) * sum(max(len(window[i][s]) for i in b) for s in range(3)) for b in batches)


def rate(scorer, window, batches, seconds):
    """Candidates per second over whole windows, at least two, the first not counted."""
    done, start = 0, time.perf_counter()
    for turn in range(10_000):
        for batch in batches:
            scorer.score([window[place] for place in batch])
        if turn == 0:
            start = time.perf_counter()
            continue
        done += len(window)
        if time.perf_counter() - start > seconds:
            break
    return done / (time.perf_counter() - start)


def memory_mb(field):
    """Resident memory of this process: VmRSS now, VmHWM the most so far."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1]) / 1024


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidates", type=int, default=256, help="size of the window")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16, 32])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--provider", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bundle", type=Path, default=Settings().bundle)
    parser.add_argument("--seconds", type=float, default=5.0, help="per figure")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    bundle = load_bundle(arguments.bundle)
    window = window_of(arguments.candidates, bundle)
    rows = sum(len(series) for branches in window for series in branches)
    longest = [max(range(len(window)), key=lambda i, s=s: len(window[i][s])) for s in range(3)]
    filler = tuple(window[place][s] for s, place in enumerate(longest))
    results = []
    for threads in arguments.threads:
        scorer = open_scorer(bundle, provider=arguments.provider, intra_op_threads=threads)
        for size in arguments.batch:
            batches = length_sorted_batches(window, size)
            found = {
                "threads": threads,
                "batch": size,
                "candidates_per_s": round(rate(scorer, window, batches, arguments.seconds), 1),
                "padding": round(padded_rows(window, batches) / rows, 3),
            }
            if size > 1:  # one of each batch is the longest: everything is padded to the window's longest
                padded = [*window, filler]
                places = np.random.default_rng(0).permutation(len(window))
                cuts = [places[i : i + size - 1] for i in range(0, len(window), size - 1)]
                to_longest = [(*map(int, cut), len(window)) for cut in cuts]
                per_s = rate(scorer, padded, to_longest, arguments.seconds) * len(window) / len(padded)
                per_s *= size / (size - 1)  # the filler's own share of the time
                found["padded_to_longest_per_s"] = round(per_s, 1)
                found["speed_up"] = round(found["candidates_per_s"] / per_s, 2)
            results.append(found)
            if not arguments.json:
                print(found)
    summary = {
        "provider": scorer.provider,
        "window": len(window),
        "mean_rows": round(rows / len(window), 1),
        "rss_mb": round(memory_mb("VmRSS"), 1),
        "peak_rss_mb": round(memory_mb("VmHWM"), 1),
        "results": results,
    }
    print(json.dumps(summary) if arguments.json else {k: v for k, v in summary.items() if k != "results"})


if __name__ == "__main__":
    main()
