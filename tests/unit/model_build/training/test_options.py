from __future__ import annotations

import json

import pytest

from model_build.training.options import (
    BadTrainingOptions,
    TrainingOptions,
    options_from,
    plain_values,
    read_options,
)


def test_the_papers_numbers():
    paper = read_options("paper")
    assert (paper.learning_rate, paper.batch_size, paper.epochs) == (1e-6, 2048, 5000)
    assert paper.schedule == "constant"
    assert (paper.network.patch, paper.network.observation_units, paper.network.pooling) == (1, 0, "last")
    assert not paper.network.shared
    assert paper.origins == ("labelled", "crop")
    assert paper.losses.site == paper.losses.column == paper.losses.all_columns == 0.0


@pytest.mark.parametrize("name", ["default", "paper"])
def test_plain_values_come_back(name):
    options = read_options(name)
    assert options_from(json.loads(json.dumps(plain_values(options)))) == options


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("epochs = 3\nlearning_rate = 1\n[network]\npatch = 8\ndense = [16]\n")
    with pytest.raises(BadTrainingOptions, match=r"learning_rate can't be 1\.0"):
        read_options(str(path))
    path.write_text('origins = ["labelled", "late"]\n')
    with pytest.raises(BadTrainingOptions, match=r"origins can't be \('labelled', 'late'\)"):
        read_options(str(path))
    path.write_text("epochs = 3\n[network]\npatch = 8\ndense = [16]\n")
    found = read_options(str(path))
    assert (found.epochs, found.network.patch, found.network.dense) == (3, 8, (16,))
    assert found.batch_size == TrainingOptions().batch_size


def test_every_fault_is_named():
    with pytest.raises(BadTrainingOptions) as error:
        options_from(
            {"epoch": 3, "batch_size": "many", "network": {"patch": 0, "sites": ["atlantis"]}, "losses": 1}
        )
    for fault in ("epoch is unknown", "batch_size must be int, got 'many'", "patch must be at least 1",
                  "'atlantis' is none of", "losses must be a table"):  # fmt: skip
        assert fault in str(error.value)


def test_no_such_configuration():
    with pytest.raises(BadTrainingOptions, match="neither default nor paper"):
        read_options("papers")
