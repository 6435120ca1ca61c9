from __future__ import annotations

import numpy as np
import pytest

from model_build.evaluation.missing import VARIANTS, losses, without_columns, without_site
from stream_worker.preprocessing import FEATURES
from stream_worker.scores import Scores


def inputs(value, n=(4, 3, 2)):
    ctio, saao, sso = (np.full((rows, len(FEATURES)), value, np.float32) for rows in n)
    return ctio, saao, sso


def test_a_column_is_gone_and_marked_as_gone():
    whole = inputs(1.0)
    found = without_columns(whole, "fwhm")
    gone = {FEATURES[place] for place in np.flatnonzero(found[0][0] == 0.0)}
    assert gone == {"fwhm", "has_fwhm"}
    assert [len(rows) for rows in found] == [4, 3, 2]
    assert all((rows == 1.0).all() for rows in whole)
    assert {FEATURES[place] for place in np.flatnonzero(without_columns(whole, "fit_line")[1][0] == 0.0)} == {
        "fit_line"
    }
    assert [len(rows) for rows in without_site(whole, "SAAO")] == [4, 0, 2]
    assert len(VARIANTS) == 8


class Set:
    """Two stars of each class, and one No that only CTIO observed."""

    labels = np.array([0, 0, 1, 1, 2, 2, 0])
    clusters = np.arange(7)
    of = (*map(inputs, (1.0, 1.0, 1.0, 1.0, -1.0, -1.0)), inputs(1.0, (3, 0, 0)))

    def places(self, split, origin):
        assert (split, origin) == ("test", "labelled")
        return np.arange(7)

    def examples(self, places):
        return [self.of[place] for place in places]


class SkyReader:
    """A network that knows all by the sky at any site."""

    def score(self, batch):
        sky = FEATURES.index("sky_background")
        p = np.array([np.mean([rows[:, sky].mean() for rows in one if len(rows)] or [1.0]) for one in batch])
        passed = (p + 1.0) / 2.0
        return Scores(passed, np.column_stack([0.6 * passed, 0.4 * passed, 1.0 - passed]))


def test_the_loss_is_that_of_what_the_network_goes_by():
    found = losses(Set(), SkyReader(), 0.75, 1, lambda *_: None)
    assert found["seeing"].binary.value == 1.0
    assert found["seeing"].binary_loss.value == 0.0
    assert found["sky"].binary.value == 0.5  # all turned down
    assert found["sky"].binary_loss.value == 0.5
    assert found["SSO"].binary.value == 1.0
    assert found["CTIO"].binary.value == pytest.approx((4 / 5 + 1) / 2)  # nothing left of one: a No
