from __future__ import annotations

import json
from dataclasses import replace

import pytest

from model_build.season.summary import SUMMARY_FILE, funnel
from model_build.season_report.funnel import STEPS, funnel_numbers
from model_build.season_report.label_section import review_numbers
from model_build.season_report.record import BadRecord, read_record


def summary_of(directory):
    return json.loads((directory / SUMMARY_FILE).read_text())


def test_the_survey_s_scale_by_hand(record):
    assert record.at_survey_scale(record.runs[0], "flagged") == pytest.approx(4 / 0.1 + 50 / 0.01)
    assert record.per_day("kept") == pytest.approx((3 / 0.1 + 10 / 0.01 + 2 / 0.1 + 10 / 0.01) / 2)
    assert record.per_day("crowded") == pytest.approx(3000.0)


def test_what_was_not_simulated_counts_for_nothing(record):
    assert replace(record, scale_false=0.0).per_day("flagged") == pytest.approx(30.0)


def test_a_simulated_season_has_the_funnel_its_summary_has(season):
    summary = summary_of(season)
    numbers = funnel_numbers(read_record(summary))
    assert numbers["per_day"] == pytest.approx(funnel(summary))
    assert tuple(numbers["per_day"]) == STEPS
    assert numbers["runs"] == len(summary["runs"]) == 5


def test_every_fault_is_named_with_its_place(season):
    summary = summary_of(season)
    del summary["stars"]
    summary["runs"][1]["event"]["kept"] = "many"
    with pytest.raises(BadRecord, match=r"runs\.1\.event\.kept: .*integer") as caught:
        read_record(summary)
    assert "stars: Field required" in str(caught.value)


def test_an_impossible_configuration_is_named(season):
    summary = summary_of(season)
    summary["config"]["weather"]["persistence"] = 3.0
    with pytest.raises(BadRecord, match=r"config\.weather\.persistence"):
        read_record(summary)


def test_a_season_without_runs_is_refused(season):
    with pytest.raises(BadRecord, match="runs: none"):
        read_record(summary_of(season) | {"runs": []})


def test_unknown_rates_are_null_in_json(record):
    numbers = json.loads(json.dumps(review_numbers(replace(record.reviews, miss=float("nan")))))
    assert numbers["miss"] is None
    assert numbers["miss_by_snr"] == {"0.0": 0.2, "10.0": None}
    assert numbers["by_kind"][1] == {"kind": "mira", "reviewed": 200, "passed": 1}
