"""Every metric of the worker, named and described in this one place."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_RECORDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """Metrics of one worker process, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry, stage: str) -> None:
        self.registry = registry
        self._stage = stage
        self.outcomes = Counter(
            "lensnet_outcomes",
            "Source records by outcome, counted when their transaction has committed.",
            ["stage", "outcome"],
            registry=registry,
        )
        self.quarantined = Counter(
            "lensnet_quarantined",
            "Quarantined records by reason, counted when their transaction has committed.",
            ["stage", "reason"],
            registry=registry,
        )
        self.transactions = Counter(
            "lensnet_transactions",
            "Transactions by result: committed or aborted.",
            ["stage", "result"],
            registry=registry,
        )
        self.batch_records = Histogram(
            "lensnet_batch_records",
            "Records in a committed batch.",
            ["stage"],
            buckets=_RECORDS,
            registry=registry,
        )
        self.seconds = Histogram(
            "lensnet_step_seconds",
            "Time of one step for one batch: process, of it decode, preprocess and inference; transaction.",
            ["stage", "step"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.latency = Histogram(
            "lensnet_latency_seconds",
            "From the record's timestamp to the commit of its outputs, its hold included. "
            "What was held by another worker, or before a restart, is not counted.",
            ["stage"],
            buckets=(*_SECONDS, 30, 60, 300, 1800),
            registry=registry,
        )
        self.p_review = Histogram(
            "lensnet_p_review",
            "Distribution of the scores, to see drift.",
            buckets=tuple(round(0.05 * k, 2) for k in range(1, 21)),
            registry=registry,
        )
        self.site_candidates = Counter(
            "lensnet_site_candidates",
            "Scored candidates that have any observation of the site.",
            ["site"],
            registry=registry,
        )
        self.newest_observation = Gauge(
            "lensnet_site_newest_observation_timestamp_seconds",
            "Newest observation used of the site in any candidate of this process: is a site silent?",
            ["site"],
            registry=registry,
        )
        self.oldest_record_age = Gauge(
            "lensnet_oldest_record_age_seconds",
            "How long the oldest record that still waits has been in its topic; 0 when none does.",
            ["stage"],
            registry=registry,
        )
        self.lag = Gauge(
            "lensnet_consumer_lag",
            "Records between the group's committed position and the end of the partition.",
            ["topic", "partition"],
            registry=registry,
        )
        self.lost = Counter(
            "lensnet_records_lost",
            "Offsets that a topic no longer kept when its group came to read them.",
            ["topic"],
            registry=registry,
        )
        self.assigned = Gauge(
            "lensnet_assigned_partitions", "Partitions assigned to this worker.", ["stage"], registry=registry
        )
        self.broker_up = Gauge(
            "lensnet_broker_up", "Whether a broker is reachable.", ["stage"], registry=registry
        )
        self.heartbeat = Gauge(
            "lensnet_heartbeat_timestamp_seconds",
            "When the loop last went round.",
            ["stage"],
            registry=registry,
        )
        self.model = Info(
            "lensnet_model", "Model bundle; execution provider in use and asked for.", registry=registry
        )
        for result in ("committed", "aborted"):  # what never happened is 0, not absent
            self.transactions.labels(stage, result)
