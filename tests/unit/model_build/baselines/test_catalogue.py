from __future__ import annotations

import pytest

from model_build.baselines.catalogue import NAMES, SHORT_TRAININGS, chosen, short_options
from model_build.training.options import read_options


def test_all_are_chosen_unless_some_are_named():
    assert chosen(()) == NAMES
    assert chosen(("perceptron", "xgboost", "xgboost")) == ("xgboost", "perceptron")


def test_a_short_training_brings_what_it_is_held_against():
    assert chosen(("cnn",)) == ("three_branches", "cnn")


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no baseline 'svm': expected xgboost, "):
        chosen(("svm",))


def test_short_trainings_differ_in_what_they_are_named_after():
    options = {name: short_options(name, 3) for name in SHORT_TRAININGS}
    plain, default = options["three_branches"], read_options("default")
    assert plain.network == default.network
    assert options["ctio_only"].network.sites == ("ctio",)
    assert options["cnn"].network.encoder == "cnn"
    assert options["no_fit_line"].network.without == ("fit_line",)
    assert options["paper_network"].network == read_options("paper").network
    for its in options.values():
        assert (its.epochs, its.patience, its.batch_size) == (3, 3, plain.batch_size)
        assert (its.learning_rate, its.losses.rows) == (default.learning_rate, default.losses.rows)
