from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from click.testing import CliRunner
from support.training_sets import training_set

from model_build.cli import cli
from model_build.network_options import NetworkOptions
from model_build.steps import measure
from model_build.steps.catalogue import STEPS, short
from model_build.steps.measure import measure_steps

SMALL = NetworkOptions(
    lstm_units=4, dense=(8,), patch=2, observation_units=4, pooling="attention", shared=True
)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(measure, "short", lambda epochs: replace(short(epochs), network=SMALL))


def test_each_step_is_taken_back_alone():
    options = short(3)
    seen = set()
    for step in STEPS.values():
        plain, without = asdict(options), asdict(step.undo(options))
        changed = {name for name in plain if plain[name] != without[name]}
        assert len(changed) == 1 or changed == {"schedule", "warm_up"}
        seen.add(json.dumps(without, default=list))
    assert len(seen) == len(STEPS)
    assert (options.epochs, options.patience, options.averaging) == (3, 3, 0.0)


def test_gains_are_what_validation_loses_without_the_step(small, tmp_path):
    told = []
    asked = {"limit": 96, "epochs": 2, "seed": 1, "cache": tmp_path}
    made = training_set()
    found = measure_steps(made, ["shared", "rows"], **asked, progress=lambda *one: told.append(one))
    assert [name for name, _, _ in told] == [
        f"step-{name}: epochs" for name in ("default", "shared", "rows") for _ in range(2)
    ]
    assert found.n == made.places("validation", "labelled").size == found.clusters
    assert set(found.gains) == {"shared", "rows"}
    for its in found.gains.values():
        assert its.binary.low <= its.binary.value <= its.binary.high
        assert its.loss != 0.0
    told.clear()
    again = measure_steps(made, ["rows"], **asked, progress=lambda *one: told.append(one))
    assert told == []
    assert again.gains["rows"] == found.gains["rows"]
    assert again.as_json()["gains"]["rows"]["title"] == STEPS["rows"].title


def test_the_command_fails_with_the_reason(tmp_path):
    result = CliRunner().invoke(cli, ["steps", "--set", str(tmp_path)])
    assert result.exit_code == 1
    assert "manifest.json is missing" in result.stderr
    assert CliRunner().invoke(cli, ["steps", "--set", str(tmp_path), "--only", "luck"]).exit_code == 2
