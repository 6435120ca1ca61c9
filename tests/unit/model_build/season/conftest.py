"""Schedules that several tests read; ephemerides are kept between runs, under the hash of their inputs."""

from __future__ import annotations

import pytest

from model_build.season.config import load_config
from model_build.season.schedule import build_schedule


@pytest.fixture(scope="session")
def config():
    return load_config()


@pytest.fixture(scope="session")
def schedule(config, season_cache):
    """The season of 2021, seed 1."""
    return build_schedule(config, 2021, 1, season_cache)
