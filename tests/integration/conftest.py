"""A real Kafka for the integration tests: one node per run, or what KAFKA_BOOTSTRAP_SERVERS names."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator

import pytest
from support.closing_notes import note

from stream_worker.dev_kafka import dev_kafka


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    """Bootstrap servers. The node's log is kept, and named at the end of the run, if any test failed."""
    with dev_kafka(say=lambda line: print(line, file=sys.__stderr__)) as running:
        yield running.bootstrap_servers
        if request.session.testsfailed and running.node is not None:
            running.node.keep_log = True
            note(request.config, f"Kafka's log is kept: {running.node.log}")


@pytest.fixture
def topic_prefix() -> str:
    """A start of topic, group and transactional names that no other test or run uses."""
    return f"test-{uuid.uuid4().hex[:12]}-"
