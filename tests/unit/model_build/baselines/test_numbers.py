from __future__ import annotations

import json

import pytest

from model_build.baselines.numbers import BadBaselines, baseline_section, not_beaten, read_baselines


def plain(value, low, high):
    return {"value": value, "interval": [low, high]}


def its(title, over_run=None, over_short=None):
    accuracy = plain(0.8, 0.7, 0.9)
    return {
        "title": title,
        "threshold": 0.45,
        "binary": accuracy,
        "multiclass": accuracy,
        "recall": dict.fromkeys(("yes", "maybe", "no"), accuracy),
        "over_run": over_run,
        "over_short": over_short,
    }


@pytest.fixture
def numbers():
    clear, unclear = plain(0.05, 0.02, 0.08), plain(0.01, -0.02, 0.04)
    return {
        "baselines_version": 1,
        "n": {"train": 4046, "validation": 503, "test": 505},
        "training": {"examples": 4000, "epochs": 4},
        "run": its("network"),
        "baselines": {
            "xgboost": its("XGBoost <x>", {"binary": clear, "multiclass": unclear}),
            "cnn": its(
                "1-D CNN", {"binary": clear, "multiclass": clear}, {"binary": unclear, "multiclass": clear}
            ),
        },
    }


def test_baselines_that_are_not_beaten_are_said_to_be_so(numbers):
    assert not_beaten(numbers) == [
        "the trained network is not shown to beat XGBoost <x> in three classes: lead 0.010 (-0.020 to 0.040)",
        (
            "the same network in the same short training is not shown to beat 1-D CNN in two classes: lead "
            "0.010 (-0.020 to 0.040)"
        ),
    ]


def test_the_section_has_every_baseline_and_lead(numbers):
    section = baseline_section(numbers)
    assert section.title == "Baselines"
    assert "505 labelled stars of the test split" in section.lead
    assert "4,000 examples" in section.lead
    assert "XGBoost &lt;x&gt;" in section.body
    assert "0.050 (0.020 to 0.080)" in section.body
    assert "Lead of the same network in the same short training" in section.body
    assert section.body.count("is not shown to beat") == 2


def test_without_run_and_trainings_there_is_no_lead(numbers):
    alone = its("XGBoost")
    section = baseline_section({**numbers, "run": None, "training": None, "baselines": {"xgboost": alone}})
    assert "Lead of" not in section.body
    assert "Short trainings" not in section.lead
    assert "held against" not in section.body


def test_figures_are_read_back(numbers, tmp_path):
    path = tmp_path / "baselines.json"
    path.write_text(json.dumps(numbers))
    assert read_baselines(path) == numbers


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "Expecting"),
        ("[]", "baselines_version None, expected 1"),
        ('{"baselines_version": 2}', "baselines_version 2, expected 1"),
        ('{"baselines_version": 1, "n": {}}', "training, run, baselines is missing"),
    ],
)
def test_other_files_are_refused(content, says, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(BadBaselines, match=says):
        read_baselines(path)
    with pytest.raises(BadBaselines, match=r"nothing\.json"):
        read_baselines(tmp_path / "nothing.json")
