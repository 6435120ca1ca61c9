from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from model_build.baselines.cli import baselines
from model_build.evaluation.scored import branches_of
from model_build.season.truth import TRUTH_FILE, read_truth
from stream_worker.bundle import load_bundle
from stream_worker.bundle.shipped import shipped_bundle
from stream_worker.codec import read_candidates
from stream_worker.scoring import open_scorer


def call(*arguments):
    return CliRunner().invoke(baselines, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def on_features(season_set, season, out, cache, *arguments):
    return call(
        "--set", season_set.path, "--set-season", season, "--out", out, "--cache", cache,
        "--workers", 1, "--only", "decision_tree", *arguments,
    )  # fmt: skip


def test_figures_and_page_are_written(season_set, labelled_archive, tmp_path, cache):
    out, page = tmp_path / "baselines.json", tmp_path / "baselines.html"
    result = on_features(season_set, labelled_archive, out, cache, "--page", page)
    assert result.exit_code == 0, result.output
    numbers = json.loads(out.read_text())
    assert list(numbers["baselines"]) == ["decision_tree"]
    assert numbers["n"]["test"] == season_set.places("test", "labelled").size
    assert numbers["training_set"] == season_set.sha256
    assert numbers["training"] is None
    assert "decision_tree: two classes " in result.stdout
    assert "features: run files" in result.stderr
    assert "Decision tree, classical features" in page.read_text()


def test_json_is_one_line_and_a_short_training_is_held_against_the_network(season_set, tmp_path, cache):
    out = tmp_path / "baselines.json"
    result = call(
        "--set", season_set.path, "--out", out, "--cache", cache, "--workers", 1,
        "--only", "ctio_only", "--limit", 8, "--epochs", 1, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[-1])
    assert list(told["baselines"]) == ["three_branches", "ctio_only"]
    assert told["training"] == {"examples": 8, "epochs": 1}
    its = told["baselines"]
    lead = its["ctio_only"]["over_short"]["binary"]["value"]
    both = [its[name]["binary"]["value"] for name in ("three_branches", "ctio_only")]
    assert lead == pytest.approx(both[0] - both[1])
    assert its["three_branches"]["over_short"] is None
    assert its["ctio_only"]["options"]["network"]["sites"] == ["ctio"]


def test_features_need_the_season(season_set, tmp_path):
    result = call("--set", season_set.path, "--only", "xgboost", "--out", tmp_path / "x.json")
    assert result.exit_code == 2
    assert "xgboost: add --set-season, or choose others by --only" in result.stderr


def test_impossible_places_are_refused_before_any_work(season_set, labelled_archive, tmp_path, cache):
    out = tmp_path / "missing" / "x.json"
    result = on_features(season_set, labelled_archive, out, cache)
    assert result.exit_code == 2
    assert "no such folder, x.json would go there" in result.stderr
    result = call("--set", tmp_path, "--set-season", labelled_archive, "--out", tmp_path / "x.json")
    assert result.exit_code == 1
    assert "manifest.json is missing" in result.stderr


def test_a_folder_without_a_run_leaves_the_last_figures(season_set, labelled_archive, tmp_path, cache):
    out = tmp_path / "x.json"
    out.write_text("kept")
    result = on_features(season_set, labelled_archive, out, cache, "--run", tmp_path)
    assert result.exit_code == 1
    assert "run.json is missing: the folder holds no training run" in result.stderr
    assert out.read_text() == "kept"


def test_the_network_of_a_bundle_is_compared_as_it_ships(season_set, labelled_archive, tmp_path, cache):
    out, page = tmp_path / "x.json", tmp_path / "x.html"
    shipped = shipped_bundle()
    result = on_features(season_set, labelled_archive, out, cache, "--bundle", shipped, "--page", page)
    assert result.exit_code == 0, result.output
    numbers = json.loads(out.read_text())
    test = season_set.places("test", "labelled")
    scorer = open_scorer(load_bundle(shipped), provider="cpu", intra_op_threads=1)
    rows = {row.candidate_id.encode(): row for row in read_truth(labelled_archive / TRUTH_FILE)}
    by_id = {
        candidate.candidate_id.encode(): candidate
        for path in sorted(labelled_archive.glob("run-*.avro"))
        for candidate in read_candidates(path)
    }
    right = [[], []]
    for place in test.tolist():
        name = season_set.candidate_ids[place]
        scores = scorer.score([branches_of(by_id[name], scorer.bundle)])
        passed = scores.p_review[0] >= numbers["run"]["threshold"]
        positive = rows[name].label != "no"
        right[positive].append(passed == positive)
    expected = np.mean([np.mean(side) for side in right])
    assert numbers["run"]["binary"]["value"] == pytest.approx(expected)
    lead = numbers["baselines"]["decision_tree"]["over_run"]["binary"]["value"]
    assert lead == pytest.approx(expected - numbers["baselines"]["decision_tree"]["binary"]["value"])
    (doubt,) = numbers["doubts"]
    assert doubt.startswith(f"{season_set.path}: not the set that the bundle was trained on")
    assert "Doubtful: " in result.stderr
    assert "Doubtful: " in page.read_text()


def test_a_bundle_of_another_standardisation_asks_for_the_season(season_set, tmp_path, cache):
    result = call(
        "--set", season_set.path, "--bundle", shipped_bundle(), "--only", "ctio_only",
        "--limit", 8, "--epochs", 1, "--out", tmp_path / "x.json", "--cache", cache,
    )  # fmt: skip
    assert result.exit_code == 1
    assert "prepared for another network than lensnet" in result.stderr
    assert "add --set-season" in result.stderr


def test_a_run_and_a_bundle_are_one_too_many(season_set, labelled_archive, tmp_path, cache):
    result = on_features(
        season_set, labelled_archive, tmp_path / "x.json", cache, "--run", tmp_path, "--bundle", tmp_path
    )
    assert result.exit_code == 2
    assert "Give one of them" in result.stderr


def test_what_is_no_bundle_is_named(season_set, labelled_archive, tmp_path, cache):
    result = on_features(season_set, labelled_archive, tmp_path / "x.json", cache, "--bundle", tmp_path)
    assert result.exit_code == 1
    assert str(tmp_path) in result.stderr
