from __future__ import annotations

from dataclasses import replace

import pytest

from model_build.evaluation.doubts import season_doubts, stranger_doubts
from model_build.evaluation.scored import ScoredSeason
from model_build.training.options import TrainingOptions
from model_build.training.run_folder import BadRun, Run, write_run
from stream_worker.bundle.manifest import MadeOf


@pytest.fixture
def told(bundle):
    made_of = MadeOf(trained_on=("a" * 64, "b" * 64), calibrated_on=("c" * 64,))
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"made_of": made_of}))


def season(name, letter):
    return ScoredSeason(name, None, letter * 64, None)


def test_a_bundle_is_not_evaluated_on_what_made_it(told):
    found = season_doubts(told, [season("fresh", "d"), season("trained", "b"), season("fitted", "c")])
    assert [doubt.split(",")[0] for doubt in found] == [
        "trained: the bundle was trained on this season",
        "fitted: the bundle has p_event fitted to this season",
    ]


def test_a_bundle_that_does_not_tell_what_made_it_raises_no_doubt(told):
    silent = replace(told, manifest=told.manifest.model_copy(update={"made_of": None}))
    assert season_doubts(silent, [season("any", "a")]) == []


def test_strangers_are_named_and_its_own_are_not(told, tmp_path):
    mine = told.manifest.training_data_sha256
    write_run(tmp_path / "own", Run(TrainingOptions(), "both", 1, mine))
    write_run(tmp_path / "other", Run(TrainingOptions(), "both", 1, "0" * 64))
    assert stranger_doubts(told) == []
    own = {"training_set": (tmp_path, mine), "run": tmp_path / "own", "baselines": {"training_set": mine}}
    assert stranger_doubts(told, **own) == []
    others = {"training_set": (tmp_path, "0" * 64), "run": tmp_path / "other", "baselines": {}}
    assert len(stranger_doubts(told, **others)) == 3
    with pytest.raises(BadRun, match="holds no training run"):
        stranger_doubts(told, run=tmp_path)
