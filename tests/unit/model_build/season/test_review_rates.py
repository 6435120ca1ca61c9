from __future__ import annotations

import math

import pytest

from model_build.season.review_rates import review_rates


def test_review_rates_by_hand():
    kinds = ["event", "event", "event", "bleed", "mira", "quiet", "flare", "sr"]
    rates = review_rates(kinds, [1, 1, 0, 1, 0, 0, 1, 0], [60.0, 12.0, 11.0, 9.0, 9.0, 9.0, 9.0, 9.0])
    assert rates.false_pass == 0.2
    assert rates.miss == pytest.approx(1 / 3)
    assert rates.miss_by_snr[10.0] == 0.5
    assert rates.miss_by_snr[50.0] == 0.0
    assert math.isnan(rates.miss_by_snr[25.0])
    assert {one.kind: one.rate for one in rates.by_kind}["bleed"] == 1.0
