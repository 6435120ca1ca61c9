from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from model_build.training_set.cli import dataset
from model_build.training_set.reader import open_training_set


def call(*arguments):
    return CliRunner().invoke(dataset, [str(argument) for argument in arguments])


def few(season, out, *arguments):
    return call(season, "--out", out, "--copies", 1, 1, 1, "--workers", 1, *arguments)


@pytest.fixture(scope="module")
def out(star_archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "set"
    assert few(star_archive, folder).exit_code == 0
    return folder


def test_the_command_tells_what_it_wrote(star_archive, tmp_path):
    result = few(star_archive, tmp_path / "set", "--seed", 2)
    assert result.exit_code == 0, result.output
    found = open_training_set(tmp_path / "set")
    assert f"sha256 {found.sha256}" in result.stdout
    n_test = found.places("test", "labelled").size
    assert f"test {n_test} (" in result.stdout
    assert "split by cluster: siblings of training stars 0 in validation, 0 in test" in result.stdout
    assert "candidates written: " in result.stderr


def test_json_is_one_line(star_archive, out):
    result = few(star_archive, out, "--overwrite", "--json", "--split", "star", "--mode", "paper")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[-1])
    found = open_training_set(out)
    assert (told["sha256"], told["split_by"]) == (found.sha256, "star")
    assert sum(told["stars"]["test"].values()) == found.places("test", "labelled").size
    assert found.options.mode == "paper"


def test_a_set_is_not_replaced_unasked(star_archive, out):
    result = few(star_archive, out)
    assert result.exit_code == 2
    assert "already holds a training set: choose another folder or add --overwrite" in result.stderr


def test_an_archive_that_cannot_be_used_is_said_to_be_so(star_archive, tmp_path):
    season = tmp_path / "season"
    shutil.copytree(star_archive, season)
    (season / "truth.parquet").unlink()
    result = few(season, tmp_path / "set")
    assert result.exit_code == 1
    assert f"Error: {season / 'truth.parquet'} is missing" in result.stderr
    first = min(season.glob("run-*.avro"))
    shutil.copy(star_archive / "truth.parquet", season)
    first.write_bytes(first.read_bytes()[:-7])
    result = few(season, tmp_path / "set")
    assert result.exit_code == 1
    assert f"{first}" in result.stderr


def test_impossible_options_are_refused(star_archive, tmp_path):
    result = call(star_archive, "--out", tmp_path / "set", "--copies", 1, 0.5, 1)
    assert result.exit_code == 2
    assert "0.5 is not in the range" in result.stderr
