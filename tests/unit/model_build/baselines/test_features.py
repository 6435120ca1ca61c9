from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_build.baselines.features import features_by_split, features_of_run, require_season
from model_build.dataset import DatasetError
from model_build.season.baselines import auxiliary_features, classical_features
from model_build.training_set.crew import Alone
from stream_worker.codec import read_candidates


@pytest.fixture(scope="module")
def found(season_set, labelled_archive, tmp_path_factory):
    cache, told = tmp_path_factory.mktemp("features"), []
    features = features_by_split(
        season_set, labelled_archive, Alone(), cache, lambda *step: told.append(step)
    )
    return features, cache, told


def test_features_are_in_the_sets_order(season_set, labelled_archive, found):
    features, _, told = found
    candidates = {
        one.candidate_id: one for path in labelled_archive.glob("run-*.avro") for one in read_candidates(path)
    }
    for split, its in features.items():
        places = season_set.places(split, "labelled")
        assert its.classical.shape == (places.size, 27)
        for row, place in enumerate(places):
            one = candidates[season_set.candidate_ids[place].decode()]
            asked = (one.light_curves, one.alertfinder.t_break, one.alertfinder.t_cut)
            np.testing.assert_array_equal(its.classical[row], classical_features(*asked))
            np.testing.assert_array_equal(its.auxiliary[row], auxiliary_features(*asked))
    assert told[-1][1] == told[-1][2]


def test_what_is_done_is_not_done_again(season_set, labelled_archive, found):
    features, cache, _ = found
    told = []
    again = features_by_split(season_set, labelled_archive, Alone(), cache, lambda *step: told.append(step))
    assert told == []
    np.testing.assert_array_equal(again["test"].classical, features["test"].classical)


def test_a_candidate_that_the_season_lacks_is_named(season_set, labelled_archive, tmp_path):
    ids = season_set.candidate_ids.copy()
    ids[season_set.places("test", "labelled")[0]] = b"nowhere"
    with pytest.raises(DatasetError, match=r"lacks 1 candidates of .*, e\.g\. nowhere"):
        features_by_split(
            replace(season_set, candidate_ids=ids), labelled_archive, Alone(), tmp_path, lambda *_: None
        )


def test_another_season_is_refused(season_set, labelled_archive):
    require_season(season_set, labelled_archive)
    other = {**season_set.manifest, "season": {"sha256": "f" * 64}}
    with pytest.raises(DatasetError, match=r"was made of a season of f+: another season"):
        require_season(replace(season_set, manifest=other), labelled_archive)


def test_a_run_without_wanted_candidates_has_no_features(labelled_archive):
    arrays = features_of_run(min(labelled_archive.glob("run-*.avro")), wanted=frozenset())
    assert arrays["classical"].shape == (0, 27)
    assert arrays["auxiliary"].shape == (0, 48)
