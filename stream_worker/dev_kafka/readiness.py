"""Whether a Kafka answers."""

from __future__ import annotations

import time
from collections.abc import Callable

_POLL_S = 0.25


def answers(bootstrap_servers: str, *, timeout_s: float) -> bool:
    """Return whether a metadata request to ``bootstrap_servers`` names a live broker within ``timeout_s``."""
    return wait_until_ready(bootstrap_servers, cluster_id=None, timeout_s=timeout_s, alive=lambda: True)


def wait_until_ready(
    bootstrap_servers: str, *, cluster_id: str | None, timeout_s: float, alive: Callable[[], bool]
) -> bool:
    """Wait until a metadata request names a live broker.

    Parameters
    ----------
    bootstrap_servers : str
        Where to ask.
    cluster_id : str, optional
        The cluster that must answer: another node may have taken the port first.
    timeout_s : float
        How long to go on asking.
    alive : callable
        Whether asking still makes sense; called every quarter of a second.

    Returns
    -------
    bool
        False if ``alive`` became false or the time was up first.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient(
        {
            "bootstrap.servers": bootstrap_servers,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 100,
            "log_level": 0,  # refused connections are what we wait through
        }
    )
    deadline = time.monotonic() + timeout_s
    while alive() and time.monotonic() < deadline:
        try:
            metadata = client.list_topics(timeout=_POLL_S)
        except KafkaException:
            continue
        if metadata.brokers and cluster_id in (None, metadata.cluster_id):
            return True
        time.sleep(_POLL_S)
    return False
