"""What a stage says at its start."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from stream_worker.monitor import Monitor
from stream_worker.plans import score_plan
from stream_worker.settings import load_settings
from stream_worker.telemetry.health import Health
from stream_worker.telemetry.metrics import Metrics


@pytest.fixture
def said():
    """What the score stage logs while it is built with some thresholds."""

    def build(thresholds=None):
        overrides = {} if thresholds is None else {"rules": {"thresholds": thresholds}}
        settings = load_settings({}, overrides=overrides)
        metrics = Metrics(CollectorRegistry(), "score")
        with capture_logs() as lines:
            score_plan(settings).build(Monitor("score", Health(60), metrics, settings.topics), metrics)
        return lines

    return build


def test_the_shipped_bundle_and_the_default_thresholds_agree(said):
    assert said() == []


def test_thresholds_of_names_that_the_bundle_lacks_are_the_operators_own(said):
    assert said({"balanced": 0.45, "pure": 0.955, "purest": 0.999}) == []


def test_a_threshold_that_is_not_the_released_one_is_named(said):
    (line,) = said({"balanced": 0.5, "pure": 0.955})
    assert (line["event"], line["log_level"]) == ("thresholds differ from the bundle's", "warning")
    assert (line["settings"], line["bundle"]) == ({"balanced": 0.5}, {"balanced": 0.45})
