"""Rate and memory of an offline replay against bare ONNX inference on the same batches, cores and run.

Run: python tests/benchmarks/bench_replay.py ARCHIVE... [--workers N] [--breakdown] [--json]

Bare inference runs in as many processes, on batches that were prepared before the clock starts. On a machine
with other work compare the ratio of processor times: the rates of the two parts meet different company.
`--breakdown` times each step of the replay on its own, and the score stage of the stream without Kafka (the
live figures).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path

import psutil
from replay_breakdown import breakdown, live_stage, prepared_sample, sample

PER_PROCESS = 1536
ROUNDS = 3
PR_SET_CHILD_SUBREAPER = 36


def replay(archives: list[str], workers: int, out: Path) -> dict[str, float]:
    """Replay in a process of its own; seconds, processor seconds and the most memory of all its processes.

    Its worker processes are forked by a process that it leaves behind: that one becomes ours, to be counted.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = [sys.executable, "-m", "stream_worker", "replay", *archives, "--offline", "--out", str(out)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--workers", str(workers), "--json"], stdout=subprocess.PIPE, stderr=sys.stderr
    )
    peak = [0, 0]
    watcher = threading.Thread(target=watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    report = json.loads(process.communicate()[0])
    seconds = time.perf_counter() - begun
    wait_for_the_rest()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert process.returncode == 0, process.returncode
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    n = report["rows"]
    return {
        "candidates": n,
        "replay_s": seconds,
        "replay_per_s": n / seconds,
        "replay_cpu_ms": 1000 * cpu / n,
        "memory_pss_mb": peak[0] / 1e6,
        "memory_rss_mb": peak[1] / 1e6,
    }


def wait_for_the_rest() -> None:
    """Wait for the processes that the replay left to us, so that their time counts."""
    try:
        while True:
            os.wait()
    except ChildProcessError:
        return


def watch(pid: int, peak: list[int]) -> None:
    """Note the largest sum over the process and its children: proportional (PSS), and plain (RSS)."""
    try:
        process = psutil.Process(pid)
        while True:
            pss = rss = 0
            for one in (process, *process.children(recursive=True)):
                try:
                    memory = one.memory_full_info()
                except psutil.NoSuchProcess:
                    continue
                pss, rss = pss + memory.pss, rss + memory.rss
            peak[:] = max(peak[0], pss), max(peak[1], rss)
            time.sleep(0.25)
    except psutil.NoSuchProcess:
        return


def infer(archives: list[str], place: int, workers: int, barrier, results) -> None:
    """Prepare every workers-th candidate of a sample, wait for the others, and time inference alone."""
    from stream_worker.batching import length_sorted_batches
    from stream_worker.offline import open_steps
    from stream_worker.replay.plan import CHUNK
    from stream_worker.settings import load_settings

    settings = load_settings(os.environ, overrides={"inference": {"intra_op_threads": 1}})
    steps = open_steps(settings)
    prepared = prepared_sample(steps, islice(sample(archives, PER_PROCESS * workers), place, None, workers))
    batches = []
    for start in range(0, len(prepared), CHUNK):
        window = prepared[start : start + CHUNK]
        batches += [
            [window[i] for i in places]
            for places in length_sorted_batches(window, settings.inference.max_batch)
        ]
    for _ in range(ROUNDS):
        barrier.wait()
        begun, cpu = time.perf_counter(), time.process_time()
        for batch in batches:
            steps.infer(batch)
        results.put((len(prepared), time.perf_counter() - begun, time.process_time() - cpu))


def bare_inference(archives: list[str], workers: int) -> dict[str, float]:
    """Best round of inference in all processes at once."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(workers), context.Queue()
    processes = [
        context.Process(target=infer, args=(archives, place, workers, barrier, results))
        for place in range(workers)
    ]
    for process in processes:
        process.start()
    found = [results.get() for _ in range(ROUNDS * workers)]
    for process in processes:
        process.join()
    rounds = [found[i : i + workers] for i in range(0, len(found), workers)]
    seconds = min(max(s for _, s, _ in one) for one in rounds)
    n = sum(count for count, _, _ in rounds[0])
    return {
        "bare_per_s": n / seconds,
        "bare_cpu_ms": min(1000 * sum(cpu for _, _, cpu in one) / n for one in rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archives", nargs="+")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--breakdown", action="store_true", help="also the processor time of every step")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lensnet-bench-") as folder:
        found = {
            **replay(options.archives, options.workers, Path(folder) / "scores.parquet"),
            **bare_inference(options.archives, options.workers),
        }
    found["rate_ratio"] = found["replay_per_s"] / found["bare_per_s"]
    found["cpu_ratio"] = found["bare_cpu_ms"] / found["replay_cpu_ms"]
    tables = {}
    if options.breakdown:
        found["live_cpu_ms"] = live_stage(options.archives)
        found["live_cpu_ratio"] = found["bare_cpu_ms"] / found["live_cpu_ms"]
        steps = breakdown(options.archives, options.workers)
        steps["the rest"] = found["replay_cpu_ms"] - sum(steps.values())
        tables["steps of the replay"] = steps
    if options.json:
        print(json.dumps({**found, **tables}))
        return
    for name, value in found.items():
        print(f"{name:16} {value:10.3f}")
    for title, table in tables.items():
        print(f"{title}: {sum(table.values()):.3f} ms")
        for name, value in table.items():
            print(f"  {name:26} {value:7.3f} ms  {100 * value / found['replay_cpu_ms']:5.1f} %")


if __name__ == "__main__":
    main()
