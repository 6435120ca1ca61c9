"""The steps of the score stage with the bundle that ships."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.candidates import make_candidates

from stream_worker.offline import open_steps
from stream_worker.preprocessing import TooFewObservations
from stream_worker.settings import load_settings


@pytest.fixture(scope="module")
def steps():
    return open_steps(load_settings({}))


def test_prepare_raises_what_is_wrong_with_its_candidate(steps):
    (candidate,) = make_candidates(1, 5)
    with pytest.raises(TooFewObservations):
        steps.prepare(replace(candidate, light_curves=()))
    with pytest.raises(ValueError, match="ra must be finite"):
        steps.prepare(replace(candidate, ra=np.nan))
