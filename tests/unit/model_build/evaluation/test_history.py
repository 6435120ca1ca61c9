from __future__ import annotations

import numpy as np
import pytest

from model_build.evaluation.history import HISTORY_FILE, BadHistory, read_history


def write(folder, text):
    (folder / HISTORY_FILE).write_text(text)
    return folder


def test_columns_are_read_and_missing_values_are_nan(tmp_path):
    found = read_history(
        write(tmp_path, "epoch,loss,validation_loss,validation_review_accuracy\n1,0.7,,0.5\n2,0.6,0.65,0.7\n")
    )
    assert found.columns["loss"].tolist() == [0.7, 0.6]
    assert np.isnan(found.columns["validation_loss"][0])
    assert found.has("binary")
    assert not found.has("multiclass")
    assert found.last() == {
        "epoch": 2.0, "loss": 0.6, "validation_loss": 0.65, "validation_review_accuracy": 0.7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("loss\n0.7\n", "expected epoch among them"),
        ("epoch,loss\n", "0 epochs"),
        ("epoch,loss\n1,0.7\n2,much\n", r"line 3: loss is 'much', expected a number"),
    ],
)
def test_what_is_no_history_is_said(tmp_path, text, said):
    with pytest.raises(BadHistory, match=said):
        read_history(write(tmp_path, text))


def test_no_file_is_said(tmp_path):
    with pytest.raises(BadHistory, match="holds no training run"):
        read_history(tmp_path)
