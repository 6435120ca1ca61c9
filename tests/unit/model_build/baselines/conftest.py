"""A training set of a small labelled season, and one made so that one feature tells the label."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from support.training_sets import training_set

from model_build.training_set.cli import dataset
from model_build.training_set.reader import open_training_set


@pytest.fixture(scope="session")
def made_set():
    return training_set()


@pytest.fixture(scope="session")
def season_set(labelled_archive, tmp_path_factory):
    """A training set as the command writes it, of `labelled_archive`."""
    folder = tmp_path_factory.mktemp("baselines") / "set"
    arguments = [labelled_archive, "--out", folder, "--copies", 1, 1, 1, "--workers", 1]
    result = CliRunner().invoke(dataset, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return open_training_set(folder)
