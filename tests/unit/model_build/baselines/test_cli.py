from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from model_build.baselines.cli import baselines


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
