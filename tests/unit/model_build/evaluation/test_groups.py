from __future__ import annotations

import numpy as np
import pytest
from support.truth_rows import truth_row

from model_build.bootstrap import Resampling
from model_build.evaluation.groups import binned, named, peak_magnification, quantities, rates_by_group
from model_build.evaluation.scored import Scored
from model_build.season.config import load_config

THRESHOLDS = {"chosen": 0.5, "pure": 0.9}


class Record:
    config = load_config()


def test_magnification_at_known_impact_parameters():
    assert peak_magnification(np.array([1.0])) == pytest.approx([3 / np.sqrt(5)])
    assert peak_magnification(np.array([0.1, -0.1])) == pytest.approx([10.037461] * 2)
    assert np.isnan(peak_magnification(np.array([np.nan]))).all()


def test_bins_take_their_lower_edge_and_leave_out_what_has_no_value():
    found = binned("x", np.array([0.0, 1.0, 1.5, 2.0, 99.0, np.nan]), (0.0, 1.0, 2.0, np.inf))
    assert found.names == ("below 1", "1 to 2", "2 and more")
    assert found.place.tolist() == [0, 1, 1, 2, 2, -1]
    assert named("x", ["b", "a"], ["a", "b"]).place.tolist() == [1, 0]


def test_rates_of_each_class_in_each_group_by_hand():
    rows = (
        truth_row(0, u_0=0.01, t_E=30.0, i_base=15.0),
        truth_row(1, u_0=0.9, t_E=3.0, i_base=19.5),
        truth_row(2, u_0=0.9, t_E=3.0, i_base=19.5),
        truth_row(3, "ghost", "maybe", u_0=0.01, t_E=30.0, i_base=19.5),
        truth_row(4, "mira", "no", i_base=19.5, field="BLG12"),
    )
    probabilities = np.eye(3)[[0, 0, 2, 1, 2]]
    its = Scored(
        rows, np.array([0.95, 0.6, 0.4, 0.95, 0.1]), probabilities, np.eye(3, dtype=int)[[0, 0, 0, 0, 1]]
    )
    resampling = Resampling(its.clusters, 1, 50)
    found = {
        one.title: {group.name: group.of for group in rates_by_group(resampling, its, one, THRESHOLDS)}
        for one in quantities(its, Record())
    }
    magnified = found["A_peak"]
    assert list(magnified) == ["1.34 to 2", "10 and more"]  # the ghost has no magnification of its own
    faint = magnified["1.34 to 2"]["yes"]
    assert (faint.n, faint.passed["chosen"].value, faint.passed["pure"].value) == (2, 0.5, 0.0)
    assert faint.named.value == 0.5
    assert list(found["t_E, days"]) == ["below 5", "20 to 40"]
    assert set(found["I at baseline"]["19 to 20"]) == {"yes", "maybe", "no"}
    assert found["exposures an hour of the field"]["0.2"]["no"].n == 1
    assert found["sites with data"]["1"]["yes"].n == 3
    assert found["what it is"]["ghost"]["maybe"].passed["pure"].value == 1.0
