from __future__ import annotations

import html
import json
import re
import shutil

import matplotlib.image
import numpy as np
import pytest
from click.testing import CliRunner
from support.natural import as_natural

from model_build.evaluation import evaluate as evaluation
from model_build.evaluation.cli import evaluate
from model_build.season.journal import OtherPlan
from model_build.training.options import TrainingOptions
from model_build.training.run_folder import Run, write_run
from model_build.training_set.build import SetOptions, build_training_set


def invoke(*arguments):
    return CliRunner().invoke(evaluate, ["--workers", "1", *map(str, arguments)])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    columns = ["epoch", "loss", "validation_loss"]
    columns += [
        f"{part}_{name}"
        for part in ("train", "validation")
        for name in (
            "review_accuracy",
            "review_positive",
            "review_no",
            "classes_accuracy",
            "yes",
            "maybe",
            "no",
        )
    ]
    rows = np.column_stack([np.arange(1, 6), np.random.default_rng(1).random((5, len(columns) - 1))])
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows.tolist())]
    (folder / "history.csv").write_text("\n".join(lines) + "\n")
    write_run(folder, Run(TrainingOptions(), "both", 1, "0" * 64))
    return folder


@pytest.fixture(scope="module")
def training_set(season, tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "set"
    build_training_set(season, folder, SetOptions(copies=dict.fromkeys(("yes", "maybe", "no"), 1.0)))
    return folder


@pytest.fixture(scope="module")
def made(season, stream_archive, training_set, run, tmp_path_factory):
    """Everything at once: the folder and what the command said."""
    folder = tmp_path_factory.mktemp("evaluation")
    stream = as_natural(shutil.copytree(stream_archive, folder / "stream"))
    result = invoke(
        "--season", season, "--stream", stream, "--perturbed", season, "--set", training_set,
        "--set-season", season, "--run", run, "--cache", folder / "cache", "--out", folder / "page.html",
        "--images", folder / "images", "--json",
    )  # fmt: skip
    return folder, result


def test_the_page_has_every_section_and_needs_nothing_else(made):
    folder, result = made
    assert result.exit_code == 0, result.output
    page = (folder / "page.html").read_text("utf-8")
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "What was evaluated", "Accuracy", "ROC and precision-recall", "Natural stream", "Perturbed season",
        "Recall by group", "Calibration", "Training set", "Visible part of the alert", "Learning curves",
    ]  # fmt: skip
    assert not re.search(r"https?://|<script|<link|@import", page)
    assert page.count("<img ") == page.count('src="data:image/png;base64,') == 12


def test_the_figures_that_matter_most_are_images_of_their_own(made):
    folder, _ = made
    found = sorted((folder / "images").iterdir())
    assert [path.name for path in found] == ["p_event.png", "stream.png", "visibility.png"]
    for path in found:
        image = matplotlib.image.imread(path)
        assert min(image.shape[:2]) > 300
        np.testing.assert_array_equal(image[0, 0], 1.0)
        assert image.std() > 0.01


def test_the_last_line_is_the_headline_and_the_file_all_numbers(made):
    folder, result = made
    told = json.loads(result.stdout.splitlines()[-1])
    assert 0.0 < told["binary"]["mean_accuracy"] < 1.0
    assert 0.0 < told["multiclass"]["mean_accuracy"] < 1.0
    assert told["perturbed"]["binary_fall"]["value"] == 0.0
    assert told["stream"]["n"]["candidates"] == 100
    assert set(told["stream"]["operation"]) >= {"chosen", "balanced", "pure"}
    assert set(told["stream"]["by_p_event"]["operation"]) >= {"tenth", "half"}
    honest = told["stream"]["p_event"]
    assert set(honest) == {"event", "own", "yes"}
    numbers = json.loads((folder / "page.json").read_text())
    details = numbers.pop("details")
    assert numbers == {name: value for name, value in told.items() if name not in ("page", "seconds")}
    assert len(details["season"]["review"]["roc"]["y"]) == 201
    splits = numbers["training_set"]["splits"]
    assert sum(split["n"] for split in splits.values()) == sum(numbers["season"]["labelled"].values())
    assert len(numbers["training_set"]["visibility"]["train"]["binary"]) == 11
    assert "epoch" in details["history"]


def test_what_belongs_to_another_network_is_called_doubtful(made, training_set, run):
    folder, result = made
    doubts = json.loads(result.stdout.splitlines()[-1])["doubts"]
    assert [doubt.split(": ")[0] for doubt in doubts] == [str(training_set), str(run)]
    for doubt in doubts:
        assert f"Doubtful: {doubt}" in result.stderr
        assert f"Doubtful: {html.escape(doubt)}." in (folder / "page.html").read_text("utf-8")


def test_again_from_the_cache_without_the_rest(made, season):
    folder, first = made
    result = invoke("--season", season, "--cache", folder / "cache", "--out", folder / "again.html")
    assert result.exit_code == 0, result.output
    assert "scored" not in result.stderr
    accuracy = json.loads(first.stdout.splitlines()[-1])["binary"]["mean_accuracy"]
    assert f"binary mean accuracy {accuracy:.3f}" in result.stdout
    assert "Natural stream" not in (folder / "again.html").read_text("utf-8")


def test_baselines_are_a_section(made, season, tmp_path):
    folder, _ = made
    accuracy = {"value": 0.8, "interval": [0.7, 0.9]}
    of_one = {"title": "A stump", "threshold": 0.5, "binary": accuracy, "multiclass": accuracy}
    of_one |= {
        "recall": dict.fromkeys(("yes", "maybe", "no"), accuracy),
        "over_run": None,
        "over_short": None,
    }
    numbers = {"baselines_version": 1, "n": {"train": 80, "validation": 10, "test": 10}, "run": None}
    numbers |= {"training": None, "baselines": {"stump": of_one}}
    (tmp_path / "baselines.json").write_text(json.dumps(numbers))
    common = ("--season", season, "--cache", folder / "cache", "--out", tmp_path / "page.html")
    result = invoke(*common, "--baselines", tmp_path / "baselines.json")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<h2>Baselines</h2>" in page
    assert "A stump" in page
    assert json.loads((tmp_path / "page.json").read_text())["details"]["baselines"] == numbers
    (tmp_path / "baselines.json").write_text("{}")
    result = invoke(*common, "--baselines", tmp_path / "baselines.json")
    assert result.exit_code == 2
    assert "baselines_version None, expected 1" in result.output


def test_what_cannot_be_evaluated_is_said(season, stream_archive, tmp_path):
    common = ("--cache", tmp_path / "cache", "--out", tmp_path / "page.html")
    result = invoke("--season", season, "--set-season", season, *common)
    assert result.exit_code == 2
    assert "--set-season goes with --set" in result.output
    result = invoke("--season", season, "--out", tmp_path / "nowhere" / "page.html")
    assert result.exit_code == 2
    assert "no such folder" in result.output
    result = invoke("--season", tmp_path, *common)
    assert result.exit_code == 1
    assert "no archive of a season" in result.output
    result = invoke("--season", season, "--stream", stream_archive, *common)
    assert result.exit_code == 1
    assert "no natural stream" in result.output
    result = invoke("--season", season, "--run", tmp_path, *common)
    assert result.exit_code == 1
    assert "history.csv is missing" in result.output
    assert not (tmp_path / "page.html").exists()


def test_a_season_of_its_own_that_cannot_be_made_is_said(tmp_path, monkeypatch):
    def simulate_to(directory, *_, **__):
        raise OtherPlan(f"{directory} holds another season")

    monkeypatch.setattr(evaluation, "simulate_to", simulate_to)
    result = invoke("--cache", tmp_path / "cache", "--out", tmp_path / "page.html")
    assert result.exit_code == 1
    assert re.search(r"no season of its own: \S+/season-ci-9001-[0-9a-f]{12} holds another", result.output)


def test_a_set_of_another_network_or_season_is_said(season, stream_archive, training_set, made, tmp_path):
    cache = made[0] / "cache"
    common = ("--season", season, "--set", training_set, "--cache", cache, "--out", tmp_path / "page.html")
    result = invoke(*common)
    assert result.exit_code == 2
    assert "add --set-season" in result.output
    result = invoke(*common, "--set-season", stream_archive)
    assert result.exit_code == 1
    assert "another season" in result.output
