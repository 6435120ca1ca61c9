"""Fixtures of every kind of test."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

KEPT_LOG = pytest.StashKey[Path]()


def pytest_terminal_summary(terminalreporter, config):
    """Say where Kafka's log is, and loudly when the real light curves were not at hand."""
    if KEPT_LOG in config.stash:
        terminalreporter.write_line(f"Kafka's log is kept: {config.stash[KEPT_LOG]}")
    if not os.environ.get("LENSNET_REALDATA"):
        terminalreporter.write_line(
            "LENSNET_REALDATA is not set: the tests on real survey data did NOT run (see README, Develop)",
            yellow=True,
            bold=True,
        )


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of real survey data, or a loud skip."""
    folder = os.environ.get("LENSNET_REALDATA")
    if not folder:
        pytest.skip("LENSNET_REALDATA is not set: no real survey data here")
    path = Path(folder)
    assert path.is_dir(), f"LENSNET_REALDATA={folder} is not a folder"
    return path


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    """Bootstrap servers of a real Kafka: one node per run, or what KAFKA_BOOTSTRAP_SERVERS names.

    The node's log is kept, and named at the end of the run, if any test failed.
    """
    from stream_worker.dev_kafka import dev_kafka

    with dev_kafka(say=lambda line: print(line, file=sys.__stderr__)) as running:
        yield running.bootstrap_servers
        if request.session.testsfailed and running.node is not None:
            running.node.keep_log = True
            request.config.stash[KEPT_LOG] = running.node.log


@pytest.fixture
def topic_prefix() -> str:
    """A start of topic, group and transactional names that no other test or run uses."""
    return f"test-{uuid.uuid4().hex[:12]}-"
