"""A small season from the first exposure to the archive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from click.testing import CliRunner

from model_build.season.cli import simulate
from model_build.season.command import FolderInUse, Order, clear, simulate_to
from model_build.season.config import load_config
from model_build.season.event_table import EVENTS_FILE, read_events
from model_build.season.journal import JOURNAL_FILE, OtherPlan
from model_build.season.sizes import NAMED_SIZES, Contents, SeasonSize, short_stream, size_of
from model_build.season.summary import SUMMARY_FILE, funnel, read_summary
from model_build.season.truth import TRUTH_FILE, read_truth
from stream_worker.codec import read_candidates

MONTH = {"cadence": {"season_end": "06-13", "first_run": "05-17", "last_run": "06-11"}}
SIZE = SeasonSize(events=0.006, false=0.0003, changes=MONTH)
ORDER = Order(season=2021, seed=5, size=SIZE)


@pytest.fixture(scope="module")
def season(season_cache, tmp_path_factory):
    directory = tmp_path_factory.mktemp("season")
    return directory, simulate_to(directory, ORDER, cache=season_cache)


@pytest.fixture(scope="module")
def stream(season_cache, tmp_path_factory):
    directory = tmp_path_factory.mktemp("stream")
    order = Order(season=2021, seed=5, size=short_stream(12))
    return directory, simulate_to(directory, order, cache=season_cache)


def contents(directory):
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def packets(directory):
    return [c for path in sorted(directory.glob("run-*.avro")) for c in read_candidates(path)]


def test_every_packet_has_its_truth_and_nothing_else_has(season):
    directory, summary = season
    found, rows = packets(directory), read_truth(directory / TRUTH_FILE)
    assert len(found) == summary["candidates"] > 0
    assert {c.candidate_id for c in found} == {row.candidate_id for row in rows}
    written = summary["labels"]["written"]
    assert sum(row.selected for row in rows) == sum(written.values())
    for label, count in written.items():
        assert sum(row.selected and row.label == label for row in rows) == count


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


def test_the_funnel_narrows_in_every_run(season):
    _, summary = season
    for run in summary["runs"]:
        for of in (run["event"], run["other"]):
            rejected = sum(of[fate] for fate in ("crowded", "chip_cap", "field_cap", "total_cap"))
            assert of["flagged"] == of["kept"] + rejected
            assert of["kept"] >= of["new"] >= of["stage_1"] >= of["alerted"]
    per_day = funnel(summary)
    assert list(per_day.values()) == sorted(per_day.values(), reverse=True)
    assert per_day["alerted"] > 0


def test_a_star_is_announced_once(season):
    directory, summary = season
    events = read_events(directory / EVENTS_FILE).to_pylist()
    announced = sum(run["event"]["alerted"] for run in summary["runs"])
    assert announced >= sum(event["alerted_run_id"] is not None for event in events) > 0
    assert announced == len({event["source"] for event in events if event["alerted_run_id"]})


def test_every_event_is_in_the_table_found_or_not(season):
    directory, _ = season
    events = read_events(directory / EVENTS_FILE).to_pylist()
    expected = load_config().artefacts.events * SIZE.events
    assert len({event["source"] for event in events}) == pytest.approx(expected, abs=1)
    assert any(event["first_run_id"] is None for event in events)
    labels = {row.star_id: row.label for row in read_truth(directory / TRUTH_FILE)}
    for event in events:
        if event["star_id"] in labels:
            assert labels[event["star_id"]] == event["label"]


def test_only_events_are_yes_and_no_event_of_the_table_is_no(season):
    directory, _ = season
    rows = [row for row in read_truth(directory / TRUTH_FILE) if row.selected]
    assert {row.kind for row in rows if row.label == "yes"} <= {"event"}
    assert not [row for row in rows if row.label == "no" and row.alerted]


def test_the_same_bytes_whatever_the_number_of_workers(season, season_cache, tmp_path):
    directory, _ = season
    simulate_to(tmp_path, ORDER, workers=2, cache=season_cache)
    assert contents(tmp_path) == contents(directory)


def test_interrupted_and_resumed_it_is_the_same_bytes(season, season_cache, tmp_path):
    directory, _ = season
    arguments = ["--seed", "5", "--out", str(tmp_path), "--cache", str(season_cache)]
    program = (
        "from model_build.season import sizes, cli\n"
        f"sizes.NAMED_SIZES = {{'small': sizes.SeasonSize({SIZE.events}, {SIZE.false}, changes={MONTH})}}\n"
        "cli.simulate(prog_name='simulate')\n"
    )
    command = [sys.executable, "-c", program, "--scale", "small", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        for line in running.stderr:
            if "runs vetted" in line:
                break
        os.kill(running.pid, signal.SIGINT)
        told = running.stderr.read()
        assert running.wait(60) == 130
    assert "--resume" in told
    assert (tmp_path / JOURNAL_FILE).exists()
    assert not (tmp_path / SUMMARY_FILE).exists()
    with pytest.raises(FolderInUse, match="--resume"):
        simulate_to(tmp_path, ORDER, cache=season_cache)
    simulate_to(tmp_path, ORDER, cache=season_cache, resume=True)
    assert contents(tmp_path) == contents(directory)


def test_interrupted_while_writing_only_missing_files_are_written(season, season_cache, tmp_path):
    directory, _ = season

    class Interrupted(Exception):
        pass

    def interrupt(step, done, _total):
        if (step, done) == ("write", 3):
            raise Interrupted

    with pytest.raises(Interrupted):
        simulate_to(tmp_path, ORDER, cache=season_cache, progress=interrupt)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("run-*.avro")}
    assert len(before) == 3
    simulate_to(tmp_path, ORDER, cache=season_cache, resume=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert contents(tmp_path) == contents(directory)


def test_another_season_is_not_resumed(season, season_cache, tmp_path):
    directory, _ = season
    with pytest.raises(OtherPlan, match="seed 5"):
        simulate_to(directory, Order(2021, 6, SIZE), cache=season_cache, resume=True)

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_to(tmp_path, ORDER, cache=season_cache, progress=interrupt)
    with pytest.raises(OtherPlan, match=r"scale_events 0\.006, now 0\.5"):
        simulate_to(
            tmp_path,
            Order(2021, 5, SeasonSize(0.5, SIZE.false, changes=MONTH)),
            cache=season_cache,
            resume=True,
        )


def test_a_finished_season_is_not_simulated_again(season, season_cache):
    directory, summary = season
    before = contents(directory)
    again = simulate_to(directory, ORDER, cache=season_cache, resume=True, progress=pytest.fail)
    assert again == read_summary(directory / SUMMARY_FILE) == json.loads(json.dumps(summary))
    assert contents(directory) == before


def test_a_perturbed_season_says_so_and_differs(season, season_cache, tmp_path):
    directory, _ = season
    summary = simulate_to(tmp_path, Order(2021, 5, SIZE, perturbed=1), cache=season_cache)
    original = read_summary(directory / SUMMARY_FILE)
    assert summary["perturbed"] == 1
    assert summary["config"]["sites"] != original["config"]["sites"]
    assert summary["config"]["artefacts"]["rates"] != original["config"]["artefacts"]["rates"]
    assert contents(tmp_path)[TRUTH_FILE] != contents(directory)[TRUTH_FILE]


def test_a_stream_holds_every_candidate_of_its_runs_up_to_its_limit(stream):
    directory, summary = stream
    found = packets(directory)
    rows = read_truth(directory / TRUTH_FILE)
    assert len(found) == len(rows) == summary["candidates"] == 12
    assert [candidate.candidate_id for candidate in found] == [row.candidate_id for row in rows]
    by_run = {run["run_id"]: run["event"]["kept"] + run["other"]["kept"] for run in summary["runs"]}
    of_each = {run: sum(row.run_id == run for row in rows) for run in sorted({row.run_id for row in rows})}
    *whole, last = of_each
    assert all(of_each[run] == by_run[run] for run in whole)
    assert of_each[last] <= by_run[last]


def test_labels_written_are_those_that_the_archive_holds(stream):
    directory, summary = stream
    stars = {row.star_id: row.label for row in read_truth(directory / TRUTH_FILE) if row.label}
    written = Counter(stars.values())
    assert summary["labels"]["written"] == {label: written[label] for label in ("yes", "maybe", "no")}
    assert 0 < written.total() < sum(summary["labels"]["found"].values())


def test_a_stream_keeps_to_its_runs():
    runs = Contents("stream", "2021-05-03", "2021-05-07")
    assert [runs.holds(day) for day in ("2021-04-30", "2021-05-03", "2021-05-07", "2021-05-10")] == [
        False, True, True, False,
    ]  # fmt: skip
    assert Contents("stream").holds("2021-05-03")


def test_for_training_all_labels_and_last_listings_are_written_beside_the_same_set(
    season, season_cache, tmp_path
):
    directory, summary = season
    order = replace(ORDER, size=replace(SIZE, contents=Contents("training")))
    found = simulate_to(tmp_path, order, cache=season_cache)
    assert found["runs"] == summary["runs"]
    assert found["labels"]["found"] == found["labels"]["written"] == summary["labels"]["found"]
    balanced = [row for row in read_truth(directory / TRUTH_FILE) if row.selected]
    rows = read_truth(tmp_path / TRUTH_FILE)
    assert {row.candidate_id for row in rows if row.selected} == {row.candidate_id for row in balanced}
    assert {c.candidate_id for c in packets(tmp_path)} == {row.candidate_id for row in rows}
    labels = {row.star_id: row.label for row in rows if row.run_id == row.last_run_id}
    assert Counter(labels.values()) == {k: v for k, v in found["labels"]["found"].items() if v}
    assert len(labels) > len(balanced)
    chosen = {row.star_id for row in balanced}
    assert any(row.run_id > row.last_run_id for row in rows)
    assert all(row.run_id >= row.last_run_id for row in rows if row.star_id not in chosen)


def test_sizes_have_names_or_are_shares():
    assert size_of("paper") is NAMED_SIZES["paper"]
    assert (size_of("train").events, size_of("train").false) == (
        size_of("paper").events,
        size_of("paper").false,
    )
    assert size_of("0.25") == SeasonSize(0.25, 0.25)


def test_a_cleared_folder_can_be_used_again(tmp_path, season_cache):
    def interrupt(*_):
        raise KeyboardInterrupt

    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        simulate_to(tmp_path, ORDER, cache=season_cache, progress=interrupt)
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


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


def test_resume_and_overwrite_exclude_each_other(tmp_path):
    result = CliRunner().invoke(simulate, ["--resume", "--overwrite", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "exclude" in result.output


def test_no_column_of_a_packet_is_one_of_the_truth_tables(season):
    directory, _ = season
    events = read_events(directory / EVENTS_FILE).to_pylist()
    hidden = {repr(event[name]) for event in events for name in ("t_0", "u_0", "t_E", "rho")}
    for candidate in packets(directory):
        described = [
            candidate.survey,
            candidate.baseline_mag,
            candidate.x,
            candidate.y,
            candidate.alertfinder,
        ]
        assert not hidden & {repr(value) for value in described}
