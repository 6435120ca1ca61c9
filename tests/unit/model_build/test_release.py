from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.training_sets import training_set

from model_build.network_bundle import Network
from model_build.network_options import NetworkOptions
from model_build.release import Named, release_of
from model_build.training_set.plan import ORIGINS
from stream_worker.scoring import Scores

NAMED = Named("lensnet-test", "1.0", None, provisional=False, evaluation=None)
SEASON = {
    "season": 2021,
    "seed": 1,
    "scale_events": 1,
    "scale_false": 1,
    "perturbed": None,
    "sha256": "a" * 64,
}
FURTHER = {"seed": 2, "contents": "stream", "listings": {"no": 9}, "stars": {"no": 3}}
MADE_OF = {"season": SEASON, "further": [{**FURTHER, "sha256": "b" * 64}], "split_by": "cluster"}
LABELLED, FIRST = (ORIGINS.index(name) for name in ("labelled", "first"))


class Told:
    """Stands for trained networks: gives each example the score it was told."""

    def __init__(self, of, p):
        self.graphs = {"lensnet": Network(None, NetworkOptions())}
        self._p = {id_of(of.branches(place)): value for place, value in enumerate(p)}

    def predict(self, batch):
        p = np.array([self._p[id_of(branches)] for branches in batch])
        return Scores(p, np.column_stack([p / 2, p / 2, 1 - p]))


def id_of(branches):
    return tuple(site.tobytes() for site in branches)


@pytest.fixture
def made():
    """Half of the validation stars at their first date, where larger scores are right."""
    made = training_set(seed=3)
    validation = np.flatnonzero(made.splits == 1)
    origins = made.origins.copy()
    origins[validation[1::2]] = FIRST
    return replace(made, origins=origins, manifest=made.manifest | MADE_OF)


def chosen(made, at_first):
    """Threshold of networks that part the classes at 0.3, and at the stars' first date elsewhere."""
    between = np.where(made.origins == FIRST, at_first, 0.3)
    return release_of(Told(made, between + np.where(made.labels != 2, 0.1, -0.1)), made, None, NAMED, {})


def test_the_threshold_is_chosen_at_the_labels_and_the_first_dates(made):
    assert chosen(made, 0.3).chosen_threshold == pytest.approx(0.3, abs=0.11)
    assert chosen(made, 0.45).chosen_threshold == pytest.approx(0.375, abs=0.03)  # right at both
    found = chosen(made, 0.9)
    assert found.made_of == {"trained_on": ("a" * 64, "b" * 64), "calibrated_on": ()}
    assert found.metrics["n_validation"] == np.sum((made.splits == 1) & (made.origins == LABELLED))
