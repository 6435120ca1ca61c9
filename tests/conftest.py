"""Fixtures and order of every kind of test."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from support.shared import made_once

pytest_plugins = ["support.closing_notes"]

# Speed is measured in benchmarks: an example that a busy machine slows down is no failure.
hypothesis.settings.register_profile(
    "any machine",
    hypothesis.settings.default,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("any machine")


def pytest_configure():
    """A shell ignores SIGINT in what it starts in the background; children would inherit that."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


LONG_FILES = ("tests/integration/worker/", "tests/e2e/", "tests/integration/", "tests/unit/model_build/")


def pytest_collection_modifyitems(items):
    """Long files start first, and short ones fill the gaps at the end: see `make test`."""
    items.sort(key=lambda item: next((n for n, x in enumerate(LONG_FILES) if item.nodeid.startswith(x)), 9))


def pytest_terminal_summary(terminalreporter):
    """Say loudly when the real light curves were not at hand."""
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
def season_cache(request) -> Path:
    """Folder of ephemerides and schedules, kept between runs under the hash of their inputs."""
    return request.config.cache.mkdir("season")


@pytest.fixture(scope="session")
def stream_archive(season_cache, tmp_path_factory) -> Path:
    """The first 100 candidates of a week, as they come; to be left as it is."""
    from model_build.season.command import Order, simulate_to
    from model_build.season.sizes import short_stream

    return made_once(
        tmp_path_factory,
        "stream-archive",
        lambda folder: simulate_to(folder, Order(2021, 3, short_stream(100)), cache=season_cache),
    )


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    """Bootstrap servers of a real Kafka: one node per test process, or what KAFKA_BOOTSTRAP_SERVERS names.

    The node's log is kept, and named at the end of the run, if any test failed.
    """
    from support.closing_notes import note  # a plugin: not before pytest has it

    from stream_worker.dev_kafka import dev_kafka

    with dev_kafka(say=lambda line: print(line, file=sys.__stderr__)) as running:
        yield running.bootstrap_servers
        if request.session.testsfailed and running.node is not None:
            running.node.keep_log = True
            note(request.config, f"Kafka's log is kept: {running.node.log}")


@pytest.fixture
def topic_prefix() -> str:
    """A start of topic, group and transactional names that no other test or run uses."""
    return f"test-{uuid.uuid4().hex[:12]}-"
