"""The steps of the score stage with the bundle that ships."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.candidates import make_candidates

from stream_worker.offline import open_steps
from stream_worker.preprocessing import TooFewObservations
from stream_worker.settings import load_settings
from stream_worker.steps import TOGETHER


@pytest.fixture(scope="module")
def steps():
    return open_steps(load_settings({}))


def test_who_fails_among_others_fails_alone(steps):
    candidates = list(make_candidates(2 * TOGETHER + 3, 5))
    expected = [steps.prepare(one) for one in candidates]
    candidates[4] = replace(candidates[4], light_curves=())
    candidates[7] = replace(candidates[7], ra=np.nan)
    found = steps.prepare_each(candidates)
    assert isinstance(found.pop(7), ValueError)
    assert isinstance(found.pop(4), TooFewObservations)
    del expected[7], expected[4]
    for (report, branches), (its_report, its_branches) in zip(found, expected, strict=True):
        assert report == its_report
        assert all(map(np.array_equal, branches, its_branches))


def test_prepare_raises_what_is_wrong_with_its_candidate(steps):
    (candidate,) = make_candidates(1, 5)
    with pytest.raises(TooFewObservations):
        steps.prepare(replace(candidate, light_curves=()))
    with pytest.raises(ValueError, match="ra must be finite"):
        steps.prepare(replace(candidate, ra=np.nan))
