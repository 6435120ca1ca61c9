"""What a stage says at its start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from support.candidates import T_CUT, make_candidates

from stream_worker.candidate import Tense
from stream_worker.codec import CANDIDATE, encode_candidate
from stream_worker.framing import single_object
from stream_worker.kafka.records import SourceRecord
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


def test_the_newest_observation_of_a_site_is_one_that_was_used():
    candidate = replace(next(make_candidates(1, seed=0)), tense=Tense.CURRENT)
    ctio = candidate.light_curves[0]
    blind = replace(ctio, flux=np.where(ctio.hjd < T_CUT - 10, ctio.flux, np.nan).astype(np.float32))
    blinded = replace(candidate, light_curves=(blind, *candidate.light_curves[1:]))
    settings, registry = load_settings({}), CollectorRegistry()
    metrics = Metrics(registry, "score")
    stage = score_plan(settings).build(Monitor("score", Health(60), metrics, settings.topics), metrics)
    packet = single_object(CANDIDATE, encode_candidate(blinded))
    stage.process([SourceRecord(settings.topics.candidates, 0, 0, None, packet)])
    for curve in candidate.light_curves:
        newest = max(curve.hjd[curve.hjd < T_CUT - 10] if curve is ctio else curve.hjd)
        seconds = registry.get_sample_value(
            "lensnet_site_newest_observation_timestamp_seconds", {"site": curve.site}
        )
        assert seconds == pytest.approx((newest + 2_450_000 - 2_440_587.5) * 86_400, abs=1)
