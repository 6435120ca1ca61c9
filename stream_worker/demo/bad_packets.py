"""Deliberately bad packets, each with the reason it must be quarantined for."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from schemas.wire import encode_long, frame_confluent, frame_single_object
from stream_worker.candidate import Candidate
from stream_worker.codec import CANDIDATE, Reason, candidate_to_record, encode, encode_candidate


@dataclass(frozen=True, slots=True)
class BadExample:
    """A packet that no worker may accept."""

    name: str
    reason: Reason
    packet: bytes


def bad_packets(good: Candidate, seed: int = 1) -> list[BadExample]:
    """Five ways to be wrong, made from one good candidate."""
    body = encode_candidate(good)
    packet = frame_single_object(CANDIDATE.fingerprint, body)
    return [
        BadExample("truncated", Reason.TRUNCATED, packet[: len(packet) // 2]),
        BadExample("wrong schema id", Reason.UNKNOWN_SCHEMA, frame_confluent(987_654, body)),
        BadExample("random bytes", Reason.NOT_FRAMED, b"\xff" + random.Random(seed).randbytes(511)),
        BadExample("huge array", Reason.DECLARED_TOO_LONG, huge_array_packet(good)),
        BadExample("unequal lengths", Reason.UNEQUAL_LENGTHS, unequal_lengths_packet(good)),
    ]


def huge_array_packet(good: Candidate) -> bytes:
    """Packet whose first column declares 2**40 values and has none."""
    tail = encode_long(0) + encode_long(good.produced_at)
    head = encode_candidate(replace(good, light_curves=())).removesuffix(tail)
    first = good.light_curves[0]
    names = b"".join(encode_long(len(name)) + name.encode() for name in (first.site, first.dataset))
    return frame_single_object(CANDIDATE.fingerprint, head + encode_long(1) + names + encode_long(2**40))


def unequal_lengths_packet(good: Candidate) -> bytes:
    """Packet in which one column is one value short."""
    record = candidate_to_record(good)
    record["light_curves"][0]["flux_err"] = record["light_curves"][0]["flux_err"][:-1]
    return frame_single_object(CANDIDATE.fingerprint, encode(CANDIDATE, record))
