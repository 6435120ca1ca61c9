"""Every kind of bad packet is quarantined with its reason, and the consumer goes on."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.candidates import PRODUCED_AT, make_candidate, make_candidates
from support.stream import Stream

from schemas.wire import frame_confluent, frame_single_object
from stream_worker.candidate import Candidate, candidate_id
from stream_worker.codec import CANDIDATE, candidate_to_record, encode, encode_candidate
from stream_worker.demo.bad_packets import huge_array_packet, unequal_lengths_packet
from stream_worker.local_stream.processes import start_worker, stopping
from stream_worker.outcome import OUTCOME_SCHEMA

LONG = 300
GOOD = make_candidate(np.random.default_rng(3), 999_999)


def framed(candidate: Candidate) -> bytes:
    return frame_single_object(CANDIDATE.fingerprint, encode_candidate(candidate))


def with_site(site: str) -> bytes:
    record = candidate_to_record(GOOD)
    record["light_curves"][0]["site"] = site
    return frame_single_object(CANDIDATE.fingerprint, encode(CANDIDATE, record))


def cut_in_the_future() -> bytes:
    t_cut = GOOD.alertfinder.t_cut + 30
    late = replace(
        GOOD,
        candidate_id=candidate_id("KMTNet", GOOD.star_id, t_cut),
        alertfinder=replace(GOOD.alertfinder, t_cut=t_cut),
    )
    assert late.produced_at == PRODUCED_AT
    return framed(late)


def many_datasets() -> bytes:
    first = GOOD.light_curves[0]
    curves = (replace(first, dataset=f"BLG{number:02d}") for number in range(65))
    return framed(replace(GOOD, light_curves=tuple(curves)))


def oversize() -> bytes:
    return framed(GOOD) + bytes(3 * 2**20)


BAD = {
    "truncated": ("truncated", framed(GOOD)[:-400]),
    "wrong schema id": ("unknown_schema", frame_confluent(424_242, encode_candidate(GOOD))),
    "fingerprint of another record": (
        "unknown_schema",
        frame_single_object(OUTCOME_SCHEMA.fingerprint, encode_candidate(GOOD)),
    ),
    "random bytes": ("not_framed", b"\x17" + np.random.default_rng(5).bytes(4000)),
    "random body": ("malformed_avro", frame_single_object(CANDIDATE.fingerprint, b"\x01" * 64)),
    "huge declared array": ("declared_too_long", huge_array_packet(GOOD)),
    "unequal lengths": ("unequal_lengths", unequal_lengths_packet(GOOD)),
    "oversize": ("oversize", oversize()),
    "largest the topic takes": ("oversize", framed(GOOD) + bytes(15 * 2**20)),
    "unknown site": ("unknown_site", with_site("LaSilla")),
    "too many light curves": ("too_many_light_curves", many_datasets()),
    "t_cut in the future": ("t_cut_after_produced_at", cut_in_the_future()),
    "empty": ("no_value", b""),
}


def all_nan(candidate: Candidate) -> Candidate:
    blank = [
        replace(curve, flux=np.full_like(curve.flux, np.nan), flux_err=np.full_like(curve.flux, np.nan))
        for curve in candidate.light_curves
    ]
    return replace(candidate, light_curves=tuple(blank))


@pytest.fixture(scope="module")
def after(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """A stream after good, bad and good packets went through both stages."""
    folder: Path = tmp_path_factory.mktemp("bad-packets")
    stream = Stream(kafka, f"bad-{folder.name}-", partitions=2)
    stream.produce(make_candidates(40, seed=2))
    stream.produce_raw(packet for _, packet in BAD.values())
    stream.produce([all_nan(GOOD)])
    stream.produce(list(make_candidates(80, seed=2))[40:])
    workers = [start_worker(stage, stream.environ, folder) for stage in ("score", "deduplicate")]
    codes: list[int] = []
    with stopping(workers, lambda _name, code: codes.append(code)):
        stream.wait(
            lambda books: all(stage.balanced and stage.source_records for stage in books), workers, 120
        )
    assert codes == [0, 0]
    return stream


def test_each_lands_in_quarantine_with_its_reason(after: Stream) -> None:
    found = {entry["raw_sha256"]: entry for entry in after.read("quarantine", "quarantine")}
    assert len(found) == len(BAD)
    for name, (reason, packet) in BAD.items():
        entry = found[hashlib.sha256(packet).hexdigest()]
        assert entry["reason"] == reason, f"{name}: {entry['message']}"
        assert entry["raw_length"] == len(packet)
        assert entry["raw_complete"] == (len(packet) <= 2 * 2**20)
        assert packet.startswith(entry["raw"])
        assert entry["message"]


def test_the_rest_is_scored_and_everything_balances(after: Stream) -> None:
    score, grouping = after.books()
    assert score.outcomes == {"SCORED": 80, "QUARANTINED": len(BAD), "TOO_FEW_OBSERVATIONS": 1}
    assert score.balanced
    assert grouping.balanced


def test_nan_everywhere_is_an_outcome_not_an_error(after: Stream) -> None:
    outcomes = [o for o in after.read("outcomes", "outcome") if o["outcome"] == "TOO_FEW_OBSERVATIONS"]
    assert [o["candidate_id"] for o in outcomes] == [GOOD.candidate_id]
    assert "10 observations" in outcomes[0]["reason"]


def peak_memory(pid: int) -> int:
    """Most bytes a process has ever had in memory, see proc(5), VmHWM."""
    (line,) = [x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


@pytest.mark.timeout(300)
def test_a_scorer_stays_under_400_megabytes_on_the_longest_light_curves(kafka, topic_prefix, tmp_path):
    stream = Stream(kafka, topic_prefix, partitions=2)
    rng = np.random.default_rng(8)
    stream.produce(make_candidate(rng, number, points=(1500, 1501)) for number in range(LONG))
    worker = start_worker("score", stream.environ, tmp_path)
    with stopping([worker], lambda *_: None):
        books = stream.wait(lambda books: sum(books[0].outcomes.values()) >= LONG, [worker], 240)
        peak = peak_memory(worker.process.pid)
    assert books[0].outcomes == {"SCORED": LONG}
    print(f"scorer's peak {peak / 1e6:.0f} MB")
    assert peak < 400e6
