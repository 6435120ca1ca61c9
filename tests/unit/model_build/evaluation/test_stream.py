from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.evaluation.stream import stream_curve

candidates = st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(0, 9)), min_size=1, max_size=60)
THRESHOLDS = (0.0, 0.3, 0.45, 0.955)


def curve(p, star, cluster, is_event, nights=10, **options):
    return stream_curve(
        np.array(p), np.array(star), np.array(cluster), np.array(is_event), THRESHOLDS,
        nights=nights, seed=1, draws=200, **options,
    )  # fmt: skip


@settings(deadline=None)
@given(found=candidates)
def test_stars_count_once_however_often_they_come(found):
    p, star = (np.array(values) for values in zip(*found, strict=True))
    is_event = star % 3 == 0
    got = curve(p, star, star // 2, is_event)
    best = {s: p[star == s].max() for s in set(star.tolist())}
    for place, threshold in enumerate(THRESHOLDS):
        false = [s for s, score in best.items() if s % 3 and score >= threshold]
        assert got.false_per_night[place] == pytest.approx(len(false) / 10)
        events = [s for s in best if s % 3 == 0]
        reached = [s for s in events if best[s] >= threshold]
        expected = len(reached) / len(events) if events else np.nan
        assert got.completeness[place] == pytest.approx(expected, nan_ok=True)
    low, high = got.false_interval.T
    assert np.all(low <= high)


def test_stars_of_one_cluster_make_the_interval_wider():
    rng = np.random.default_rng(3)
    p, star = rng.random(400), np.arange(400)
    event = np.zeros(400, dtype=bool)
    p[:200], p[200:] = 0.9, 0.1
    apart = curve(p, star, star, event).false_interval[2]
    together = curve(p, star, star // 40, event).false_interval[2]
    assert np.diff(together) > 2.0 * np.diff(apart)


def test_nothing_to_count_is_refused():
    with pytest.raises(ValueError, match="got 0 and 10"):
        curve([], [], [], [])
    with pytest.raises(ValueError, match="got 1 and 0"):
        curve([0.5], [1], [1], [False], nights=0)
