"""How large an installation must be for a survey: arithmetic on measured figures."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What a survey asks for.

    Parameters
    ----------
    candidates_per_night
        Packets a night.
    observations
        Mean observations of a packet, all sites together.
    burst_share, burst_s
        So large a share of a night's candidates comes at once, and must be scored within so many seconds.
    night_s
        Length of a night; the rest comes evenly.
    passed_share
        Share of candidates at or above the publishing threshold.
    retention_days
        How long topics keep their records.
    replication
        Copies of every partition.
    """

    candidates_per_night: int
    observations: int = 900
    burst_share: float = 0.5
    burst_s: int = 900
    night_s: int = 10 * 3600
    passed_share: float = 0.05
    retention_days: int = 30
    replication: int = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """Measured figures, with where they come from; give your own for your machines.

    Parameters
    ----------
    scorer_per_s
        Candidates per second of one scorer pod of two cores, through Kafka: ``stream-worker benchmark``,
        1,000 simulated candidates of 862 observations, two shared cores with the broker on them.
    deduplicator_per_s
        Scores per second of one deduplicator pod of one core. `tests/benchmarks/bench_sizing.py` measured
        0.56 ms of processor time a score without Kafka, 1,770 a second; planned is less than a third of it.
    bytes_per_observation, bytes_per_packet
        Candidate v1: 8 bytes of time, six 4-byte columns; the rest of a packet.
    score_bytes, alert_bytes, outcome_bytes
        Encoded sample records of the schemas, with headers.
    halo_copies
        Scores written per candidate: one for its own cell, more near cell edges.
    broker_bytes_per_s
        What one broker is asked to take in, replicas included; far below what its disks and network give.
    """

    scorer_per_s: float = 113.0
    deduplicator_per_s: float = 500.0
    bytes_per_observation: int = 32
    bytes_per_packet: int = 1_000
    score_bytes: int = 900
    alert_bytes: int = 1_200
    outcome_bytes: int = 350
    halo_copies: float = 1.1
    broker_bytes_per_s: float = 30e6
    headroom: float = 0.6


@dataclass(frozen=True, slots=True)
class Size:
    """What an installation needs."""

    mean_per_s: float
    peak_per_s: float
    scorer_replicas: int
    scorer_cores: int
    deduplicator_replicas: int
    partitions: int
    bytes_per_night: int
    peak_bytes_per_s: float
    stored_bytes: int
    brokers: int

    def as_json(self) -> dict[str, float]:
        """Plain values."""
        return {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self).items()}


def size(load: Load, measured: Measured) -> Size:
    """Return what a load needs.

    The peak decides on pods, partitions and brokers; the whole night on what is stored. Pods are planned to
    be busy for a share ``headroom`` of the peak, so that a lost pod or a slow broker is no backlog.
    """
    burst = load.candidates_per_night * load.burst_share / load.burst_s
    even = load.candidates_per_night * (1 - load.burst_share) / load.night_s
    peak = burst + even
    scorers = _pods(peak, measured.scorer_per_s * measured.headroom)
    deduplicators = _pods(peak * measured.halo_copies, measured.deduplicator_per_s * measured.headroom)
    packet = measured.bytes_per_packet + load.observations * measured.bytes_per_observation
    per_candidate = (
        packet * (1 + load.passed_share)  # candidates, and their light curves again where they passed
        + measured.score_bytes * measured.halo_copies
        + measured.alert_bytes * load.passed_share
        + measured.outcome_bytes * (1 + measured.halo_copies)
    )
    night = load.candidates_per_night * per_candidate
    incoming = peak * per_candidate * load.replication
    return Size(
        mean_per_s=load.candidates_per_night / load.night_s,
        peak_per_s=peak,
        scorer_replicas=scorers,
        scorer_cores=2 * scorers,
        deduplicator_replicas=deduplicators,
        partitions=_partitions(max(scorers, deduplicators)),
        bytes_per_night=round(night),
        peak_bytes_per_s=incoming,
        stored_bytes=round(night * load.retention_days * load.replication),
        brokers=max(load.replication, math.ceil(incoming / measured.broker_bytes_per_s)),
    )


def _pods(rate: float, per_pod: float) -> int:
    """At least two: one may be lost."""
    return max(2, math.ceil(rate / per_pod))


def _partitions(pods: int) -> int:
    """Twice as many as pods, so that their number can double; a multiple of 12, which many numbers divide."""
    return 12 * math.ceil(2 * pods / 12)
