"""A training set of a small labelled season, and one made so that one feature tells the label."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner

from model_build.training_set.cli import dataset
from model_build.training_set.reader import open_training_set

_TRAINING = Path(__file__).parents[1] / "training" / "conftest.py"


@pytest.fixture(scope="session")
def made_set():
    spec = importlib.util.spec_from_file_location("training_conftest", _TRAINING)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.training_set()


@pytest.fixture(scope="session")
def season_set(labelled_archive, tmp_path_factory):
    """A training set as the command writes it, of `labelled_archive`."""
    folder = tmp_path_factory.mktemp("baselines") / "set"
    arguments = [labelled_archive, "--out", folder, "--copies", 1, 1, 1, "--workers", 1]
    result = CliRunner().invoke(dataset, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return open_training_set(folder)
