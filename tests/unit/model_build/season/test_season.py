"""A small season from the first exposure to the archive."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from model_build.season.archive import TRUTH_FILE
from model_build.season.command import SeasonSize, simulate_to
from model_build.season.truth import read_truth
from model_build.simulator.cli import simulate
from stream_worker.codec import read_candidates

SIZE = SeasonSize(events=0.002, false=0.0002)


def run(directory, cache, workers):
    return simulate_to(
        directory,
        season=2021,
        size=SIZE,
        seed=5,
        workers=workers,
        cache=cache,
        config_file=None,
        progress=lambda *_: None,
    )


@pytest.fixture(scope="module")
def season(season_cache, tmp_path_factory):
    directory = tmp_path_factory.mktemp("season")
    return directory, run(directory, season_cache, workers=1)


def packets(directory):
    return [c for path in sorted(directory.glob("run-*.avro")) for c in read_candidates(path)]


def test_every_packet_has_its_truth_and_nothing_else_has(season):
    directory, summary = season
    found, rows = packets(directory), read_truth(directory / TRUTH_FILE)
    assert len(found) == summary["candidates"] > 0
    assert {c.candidate_id for c in found} == {row.candidate_id for row in rows}
    assert sum(row.selected for row in rows) == sum(summary["labels"].values())
    assert {row.label for row in rows if row.selected} == set(summary["labels"])


def test_packets_hold_no_observation_after_their_run_and_no_truth(season):
    directory, _ = season
    rows = {row.candidate_id: row for row in read_truth(directory / TRUTH_FILE)}
    for candidate in packets(directory):
        row = rows[candidate.candidate_id]
        assert all(curve.hjd.max(initial=0) <= row.t_cut for curve in candidate.light_curves)
        assert candidate.run_id == row.run_id
        text = repr([candidate.run_id, candidate.star_id, candidate.field, candidate.chip])
        assert row.kind not in text
        assert row.label not in text.lower().split("'")


def test_the_funnel_narrows(season):
    _, summary = season
    funnel = list(summary["funnel_per_day"].values())
    assert funnel == sorted(funnel, reverse=True)
    assert funnel[-1] > 0


def test_only_events_are_yes_and_no_event_of_the_table_is_no(season):
    directory, _ = season
    rows = [row for row in read_truth(directory / TRUTH_FILE) if row.selected]
    assert {row.kind for row in rows if row.label == "yes"} <= {"event"}
    assert not [row for row in rows if row.label == "no" and row.alerted]


def test_the_same_bytes_whatever_the_number_of_workers(season, season_cache, tmp_path):
    directory, _ = season
    run(tmp_path, season_cache, workers=2)
    names = sorted(path.name for path in directory.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (directory / name).read_bytes() == (tmp_path / name).read_bytes(), name


@pytest.mark.parametrize("scale", ["0", "-1", "2", "large"])
def test_an_impossible_scale_is_refused(scale, tmp_path):
    result = CliRunner().invoke(simulate, ["--scale", scale, "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "paper" in result.output


def test_impossible_numbers_are_all_named(tmp_path):
    changes = tmp_path / "changes.toml"
    changes.write_text("[cadence]\nv_share = 3.0\n[weather]\npersistence = -1.0\n")
    arguments = ["--scale", "0.001", "--config", str(changes), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(simulate, arguments)
    assert result.exit_code == 2
    assert "cadence" in result.output
    assert "weather" in result.output


def test_a_folder_with_a_season_is_not_overwritten(season, tmp_path):
    directory, _ = season
    result = CliRunner().invoke(simulate, ["--scale", "0.001", "--out", str(directory)])
    assert result.exit_code == 2
    assert "already holds" in result.output


def test_candidates_and_scale_exclude_each_other(tmp_path):
    arguments = ["--scale", "ci", "--candidates", "5", "--out", str(tmp_path)]
    assert CliRunner().invoke(simulate, arguments).exit_code == 2


def test_the_summary_is_json(season):
    _, summary = season
    assert json.loads(json.dumps(summary))["runs"] == 120
