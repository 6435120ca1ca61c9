from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from model_build.evaluation import scored as module
from model_build.evaluation.scored import branches_of, score_season
from model_build.evaluation.scoring import BundleChanged, BundleRef
from model_build.season.truth import TRUTH_FILE, read_truth, write_truth
from model_build.season_report.archive import BadArchive
from model_build.training_set.crew import Alone
from stream_worker.codec import read_candidates, write_candidates
from stream_worker.preprocessing import COLUMNS
from stream_worker.scoring import open_scorer


def score(folder, bundle, cache, told=None):
    def progress(step, done, total):
        if told is not None:
            told.append((step, done, total))

    return score_season(folder, bundle, Alone(), cache, name="season", progress=progress)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def found(season, bundle, cache):
    return score(season, bundle, cache)


def test_scores_are_those_of_the_worker_beside_their_truth(found, season, bundle):
    scorer = open_scorer(bundle, provider="cpu", intra_op_threads=1)
    truth = {row.candidate_id: row for row in read_truth(season / TRUTH_FILE)}
    place = 0
    for path in sorted(season.glob("run-*.avro")):
        for candidate in read_candidates(path):
            row = found.candidates.rows[place]
            assert replace(row, review_score=None, rise_snr=None) == replace(
                truth[candidate.candidate_id], review_score=None, rise_snr=None
            )
            if place % 20 == 0:
                inputs = branches_of(candidate, bundle)
                expected = scorer.score([inputs])
                assert found.candidates.p_review[place] == pytest.approx(expected.p_review[0], abs=1e-5)
                assert found.candidates.class_probabilities[place] == pytest.approx(
                    expected.class_probabilities[0], abs=1e-5
                )
                assert found.candidates.observations[place].tolist() == [len(rows) for rows in inputs]
            place += 1
    assert place == len(found.candidates) == len(truth)


def test_labelled_candidates_are_one_per_star_and_have_an_impression(found):
    for date in ("label", "first"):
        rows = found.candidates.labelled(date).rows
        assert len({row.star_id for row in rows}) == len(rows) > 50
        assert all(row.label is not None and row.review_score is not None for row in rows)
    assert all(row.selected for row in found.candidates.labelled("label").rows)
    assert all(row.run_id == row.first_run_id for row in found.candidates.labelled("first").rows)


def test_both_dates_are_of_the_same_stars(found):
    """A training archive and a stream have the first listings of labelled stars that were not selected."""
    label = found.candidates.labelled("label").rows
    star = label[0].star_id
    rows = tuple(replace(row, selected=row.selected and row.star_id != star) for row in found.candidates.rows)
    fewer = replace(found.candidates, rows=rows)
    for date in ("label", "first"):
        assert {row.star_id for row in fewer.labelled(date).rows} == {row.star_id for row in label} - {star}


def test_what_was_scored_is_not_scored_again(found, season, bundle, cache, monkeypatch):
    told = []
    runs = len(list(season.glob("run-*.avro")))
    kept = sorted(cache.glob("scores-*/run-*.npz"))
    assert len(kept) == runs
    kept[0].write_bytes(kept[0].read_bytes()[:100])  # interrupted by a full disk, say
    again = score(season, bundle, cache, told)
    assert told == [("season: run files scored", 1, 1)]
    assert np.array_equal(again.candidates.p_review, found.candidates.p_review)
    assert again.candidates.rows == found.candidates.rows
    monkeypatch.setattr(module, "_score_run", lambda *_, **__: pytest.fail("scored again"))
    score(season, bundle, cache)


def test_a_candidate_with_too_little_is_a_no(season, bundle, tmp_path):
    folder = shutil.copytree(season, tmp_path / "season")
    path = min(folder.glob("run-*.avro"))
    first, *rest = read_candidates(path)
    curve = first.light_curves[0]
    few = replace(curve, **{name: getattr(curve, name)[:5] for name in COLUMNS})
    write_candidates(path, [replace(first, light_curves=(few,)), *rest])
    found = score(folder, bundle, tmp_path / "cache").candidates
    assert found.p_review[0] == 0.0
    assert found.class_probabilities[0].tolist() == [0.0, 0.0, 1.0]
    assert found.sites[0] == 0 < found.sites[1]


def test_packets_and_truth_must_match(season, bundle, tmp_path):
    folder = shutil.copytree(season, tmp_path / "season")
    rows = read_truth(folder / TRUTH_FILE)
    write_truth(folder / TRUTH_FILE, [replace(rows[0], candidate_id="unknown"), *rows[1:]])
    with pytest.raises(BadArchive, match=f"{rows[0].candidate_id} has no row"):
        score(folder, bundle, tmp_path / "cache")


def test_another_bundle_in_its_place_is_noticed(bundle, tmp_path):
    with pytest.raises(BundleChanged, match="began with 0"):
        BundleRef(bundle.path, "0" * 64).open()
