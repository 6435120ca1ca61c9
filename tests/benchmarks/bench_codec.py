"""Microseconds that one core needs to decode and encode a candidate of 3 sites x 1,500 points x 7 columns.

Run: python tests/benchmarks/bench_codec.py [--repeats N] [--json]

Medians and best of N repeats; the best says what the code costs, the median what the machine gave it.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable

import fastavro
import numpy as np

from schemas.wire import frame_single_object
from stream_worker.candidate import AlertFinderDetection, Candidate, Tense, candidate_id
from stream_worker.codec import (
    CANDIDATE,
    SchemaResolver,
    candidate_to_record,
    compile_decoder,
    decode_candidate,
    encode,
    encode_candidate,
)
from stream_worker.preprocessing import SITES, LightCurve

POINTS = 1500
T_CUT = 9344.75


def make_candidate(rng: np.random.Generator) -> Candidate:
    def column() -> np.ndarray:
        return rng.normal(300.0, 30.0, POINTS).astype(np.float32)

    return Candidate(
        candidate_id=candidate_id("KMTNet", "BLG11M0308.009408", T_CUT),
        survey="KMTNet",
        season=2021,
        run_id="2021-05-10",
        tense=Tense.TEST,
        replay_id=None,
        star_id="BLG11M0308.009408",
        field="BLG11",
        chip="M",
        x=4218.37,
        y=7011.82,
        ra=268.436125,
        dec=-29.714639,
        baseline_mag=19.42,
        alertfinder=AlertFinderDetection("CTIO", "BLG11", 13, T_CUT - 16.3, T_CUT, 102.6, 1893.4),
        light_curves=tuple(
            LightCurve(
                site, "BLG11", np.sort(rng.uniform(T_CUT - 90, T_CUT, POINTS)), *(column() for _ in range(6))
            )
            for site in SITES
        ),
        produced_at=1_620_632_800_000,
    )


def microseconds(function: Callable[[], object], repeats: int, number: int) -> dict[str, float]:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(number):
            function()
        times.append(1e6 * (time.perf_counter() - start) / number)
    return {"best_us": round(min(times), 1), "median_us": round(statistics.median(times), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args()

    candidate = make_candidate(np.random.default_rng(1))
    body = encode_candidate(candidate)
    packet = frame_single_object(CANDIDATE.fingerprint, body)
    record = candidate_to_record(candidate)
    blocks = compile_decoder(CANDIDATE.definition)
    resolver = SchemaResolver("candidate")

    def packet_to_candidate() -> Candidate:
        writer, view = resolver.resolve(packet)
        return decode_candidate(view, writer)

    cases: dict[str, tuple[Callable[[], object], int]] = {
        "decode the Avro, ours": (lambda: blocks(body), 20),
        "decode the Avro, fastavro": (
            lambda: fastavro.schemaless_reader(io.BytesIO(body), CANDIDATE.parsed),
            1,
        ),
        "packet to validated Candidate": (packet_to_candidate, 20),
        "encode the Avro, ours": (lambda: encode_candidate(candidate), 20),
        "encode the Avro, fastavro": (lambda: encode(CANDIDATE, record), 1),
    }
    results = {
        name: microseconds(function, arguments.repeats, number) for name, (function, number) in cases.items()
    }
    if arguments.json:
        print(json.dumps({"packet_bytes": len(packet), "values": 3 * POINTS * 7, **results}))
        return
    print(f"{len(packet)} bytes, {3 * POINTS * 7} values")
    for name, result in results.items():
        print(f"{name:32s} best {result['best_us']:9.1f} us   median {result['median_us']:9.1f} us")


if __name__ == "__main__":
    main()
