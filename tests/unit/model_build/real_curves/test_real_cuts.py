"""Seasons, cuts and flags of real light curves, their counts, and the page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import stream_worker
from model_build.cli import cli
from model_build.real_curves.alerts import cut_at, event_season, first_and_last, flagged_dates
from model_build.real_curves.counts import share, tally, wilson
from model_build.real_curves.evaluate import cut_star, evaluate
from model_build.real_curves.examples import spread
from model_build.real_curves.scoring import ScoredCut, score_cuts
from model_build.real_curves.seasons import Season, season_at, seasons, within
from model_build.real_curves.section import section
from model_build.real_curves.star import RealStar, from_magnitudes
from model_build.realism.real_files import Peak
from model_build.season.config import load_config
from stream_worker.bundle import load_bundle
from stream_worker.scores import Score
from stream_worker.scoring import open_scorer

CONFIG = load_config()
BUNDLE = Path(stream_worker.__file__).parent / "bundles" / "lensnet"
YEAR = 365.25


@pytest.fixture(scope="module")
def scorer():
    return open_scorer(load_bundle(BUNDLE), provider="cpu", intra_op_threads=1)


def curve(bump, *, years=2, seed=1):
    """One point a night for 200 nights of each year, from HJD - 2450000 = 1000 on."""
    rng = np.random.default_rng(seed)
    hjd = np.concatenate([1000.0 + year * YEAR + np.arange(0.7, 200.0) for year in range(years)])
    mag = 18.0 - bump(hjd) + rng.normal(0.0, 0.01, hjd.size)
    return from_magnitudes("X", {"hjd": hjd, "mag": mag, "mag_err": np.full(hjd.size, 0.01)})


def bump(t_0, width, height=1.0):
    return lambda t: height * np.exp(-0.5 * ((t - t_0) / width) ** 2)


def star(shape, peak=None, group="made up"):
    is_event = peak is not None
    return RealStar(group, "s", 268.0, -30.0, 0.125, (curve(shape),), is_event=is_event, peak=peak)


EVENT = star(bump(1465.0, 15.0), Peak(1465.0, 20.0))


def test_seasons_are_split_at_gaps_over_all_datasets():
    one = curve(bump(0.0, 1.0))
    found = seasons([one])
    assert [(round(s.first, 1), round(s.last, 1)) for s in found] == [(1000.7, 1199.7), (1366.0, 1565.0)]
    within_gap = from_magnitudes(
        "Y", {"hjd": np.arange(1230.0, 1350.0, 50), "mag": np.full(3, 18.0), "mag_err": np.full(3, 0.1)}
    )
    assert len(seasons([one, within_gap])) == 1
    assert seasons([]) == ()


def test_the_season_of_a_time_is_the_last_begun():
    two = (Season(10.0, 20.0), Season(100.0, 120.0))
    assert season_at(two, 9.0) is None
    assert season_at(two, 10.0) == two[0]
    assert season_at(two, 99.0) == two[0]
    assert season_at(two, 500.0) == two[1]


@given(st.floats(990.0, 1600.0))
def test_a_cut_holds_nothing_later_and_one_season_only(t_cut):
    cut = cut_at(EVENT, "k = 1", t_cut, CONFIG.detection)
    assert bool(cut.curves) == (t_cut >= 1000.7)
    for one in cut.curves:
        assert one.hjd.max() <= t_cut
        assert np.ptp(one.hjd) < 200.0


def test_later_rows_change_neither_cut_nor_score(scorer):
    t_cut = 1455.0
    (season,) = [s for s in seasons(EVENT.curves) if s.first <= t_cut <= s.last]
    known = replace(EVENT, curves=within(EVENT.curves, season, t_cut))
    with_future, without = (cut_at(one, "k", t_cut, CONFIG.detection) for one in (EVENT, known))
    assert with_future.flagged
    assert (with_future.t_break, with_future.delta_chi2) == (without.t_break, without.delta_chi2)
    first, second = score_cuts([with_future, without], scorer)
    assert first.score == second.score
    assert first.score is not None


def test_a_rise_is_flagged_and_its_dates_are_daily_runs():
    dates = flagged_dates(EVENT, CONFIG.detection)
    assert dates
    assert all(date % 1.0 == 0.75 for date in dates)
    assert list(dates) == sorted(set(dates))
    assert 1430.0 < dates[0] < 1465.0
    first, last = first_and_last(EVENT, CONFIG.detection, event_season(EVENT))
    assert (first.when, last.when) == ("first", "last")
    assert (first.t_cut, last.t_cut) == (dates[0], dates[-1])
    assert first.flagged
    assert last.flagged


def test_only_the_season_of_the_peak_counts_for_an_event():
    twice = star(lambda t: bump(1465.0, 15.0)(t) + bump(1100.0, 15.0)(t), Peak(1465.0, 20.0))
    assert flagged_dates(twice, CONFIG.detection)[0] < 1200.0
    assert min(cut.t_cut for cut in cut_star(twice, CONFIG.detection) if cut.when == "first") > 1400.0
    assert event_season(replace(twice, peak=Peak(1300.0, 20.0))) is None


def test_a_flat_star_is_never_flagged():
    flat = star(lambda t: np.zeros(t.size))
    assert flagged_dates(flat, CONFIG.detection) == ()
    assert list(cut_star(flat, CONFIG.detection)) == []


def test_events_are_cut_before_their_peak_and_without_one_not_at_all():
    cuts = {cut.when: cut for cut in cut_star(EVENT, CONFIG.detection)}
    assert list(cuts) == ["k = 2", "k = 1", "k = 0.5", "k = 0", "first", "last"]
    assert [cuts[f"k = {k:g}"].t_cut for k in (2, 1, 0.5, 0)] == [1425.0, 1445.0, 1455.0, 1465.0]
    assert [cuts[f"k = {k:g}"].phase for k in (2, 1, 0.5, 0)] == [-2.0, -1.0, -0.5, 0.0]
    assert [cuts[f"k = {k:g}"].flagged for k in (2, 0)] == [False, True]
    assert 40 < (cuts["k = 0"].rows_before_break or 0) < 100
    assert list(cut_star(replace(EVENT, peak=None), CONFIG.detection)) == []


def test_what_cannot_be_scored_is_never_announced(scorer):
    nothing = cut_at(EVENT, "k = 2", 900.0, CONFIG.detection)
    falling = cut_at(star(lambda t: np.maximum(1300.0 - t, 0.0) / 100.0), "last", 1150.0, CONFIG.detection)
    few = cut_at(EVENT, "k = 2", 1370.0, CONFIG.detection)
    assert not falling.is_candidate
    found = score_cuts([nothing, falling, few], scorer)
    assert [one.score for one in found] == [None, None, None]
    assert not any(one.announced(0.0) for one in found)


@pytest.mark.parametrize(
    ("found", "of", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_wilson_interval(found, of, low, high):
    assert wilson(found, of) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_share_of_none_is_told_as_none():
    assert wilson(0, 0) == (0.0, 1.0)
    assert str(share(0, 0)) == "none"
    assert str(share(5, 10)) == "5/10 = 0.50 (0.24-0.76)"


def scored(name, p, *, flagged=True, when="k = 0"):
    cut = replace(
        cut_at(EVENT, when, 1465.0, CONFIG.detection), flagged=flagged, star=replace(EVENT, name=name)
    )
    return ScoredCut(cut, None if p is None else Score(p, (p, 0.0, 1.0 - p)), None if p is None else p / 10)


def test_counts_are_among_flagged_and_among_all():
    cuts = [scored("a", 0.97), scored("b", 0.5), scored("c", None), scored("d", 0.99, flagged=False)]
    cuts.append(scored("a", 0.99, when="first"))
    found = tally(
        "made up", cuts, "k = 0", 6, {"balanced": 0.45, "pure": 0.955}, is_event=True, calibrated=True
    )
    assert (found.stars, found.observed, found.flagged, found.scored) == (6, 4, 3, 2)
    assert {name: (one.found, one.of) for name, one in found.among_flagged.items()} == {
        "balanced": (2, 3),
        "pure": (1, 3),
    }
    assert {name: (one.found, one.of) for name, one in found.among_all.items()} == {
        "balanced": (3, 6),
        "pure": (2, 6),
    }
    assert {name: (one.found, one.of) for name, one in found.by_p_event.items()} == {
        "tenth": (0, 3),
        "half": (0, 3),
    }
    assert (found.before_peak.found, found.before_peak.of) == (0, 3)
    early = [replace(one, cut=replace(one.cut, t_cut=1460.0), p_event=0.2) for one in cuts[:1]]
    sooner = tally("made up", early, "k = 0", 6, {}, is_event=True, calibrated=True)
    assert (sooner.by_p_event["tenth"].found, sooner.before_peak.found) == (1, 1)
    assert tally("made up", cuts, "k = 0", 6, {}, is_event=False, calibrated=False).by_p_event == {}
    assert found.phase == 0.0
    assert found.p_review == pytest.approx(0.735)
    assert found.class_probabilities == (pytest.approx(0.735), 0.0, pytest.approx(0.265))
    assert set(tally("made up", [], "last", 6, {}, is_event=False, calibrated=True).by_p_event) == {
        "tenth",
        "half",
    }
    empty = tally("made up", cuts, "last", 6, {"balanced": 0.45}, is_event=True, calibrated=True)
    assert (empty.flagged, empty.p_review, empty.phase, empty.among_flagged["balanced"].of) == (
        0,
        None,
        None,
        0,
    )


def test_examples_run_from_the_lowest_score_to_the_highest():
    cuts = [scored(str(i), i / 100) for i in range(100)] + [scored("none", None)]
    chosen = [one.score.p_review for one in spread(cuts, 5)]
    assert chosen == sorted(chosen)
    assert (chosen[0], chosen[-1], len(chosen)) == (0.0, 0.99, 5)
    assert len(spread(cuts[:3], 5)) == 3


def small_folder(tmp_path):
    """One OGLE-II event and two OGLE variables, one of which rises."""
    events, variables = tmp_path / "ogle-ii", tmp_path / "variables" / "microlia" / "variables"
    events.mkdir()
    variables.mkdir(parents=True)
    shapes = ((events / "1.1.dat", bump(1465.0, 15.0)), (variables / "2.dat", bump(1150.0, 20.0)))
    for path, shape in (*shapes, (variables / "3.dat", bump(0.0, 1.0))):
        one = curve(shape)
        mag = 28.0 - 2.5 * np.log10(one.flux + 10.0**4.0)
        path.write_text(
            "".join(f"{t + 2450000:.5f} {m:.4f} 0.0100\n" for t, m in zip(one.hjd, mag, strict=True))
        )
    return tmp_path


def test_a_folder_is_evaluated_and_shown(tmp_path, scorer):
    heard = set()
    results = evaluate(small_folder(tmp_path), scorer, CONFIG, lambda step, *_: heard.add(step))
    assert {(one.group, one.is_event, one.stars) for one in results.tallies} == {
        ("OGLE-II", True, 1),
        ("OGLE variables", False, 2),
    }
    by_name = {(one.group, one.when): one for one in results.tallies}
    assert by_name["OGLE-II", "k = 0"].flagged == 1
    assert by_name["OGLE variables", "first"].flagged == 1
    assert len(heard) == 2
    found = json.loads(json.dumps(results.as_json()))
    assert {cut["star"] for cut in found["cuts"]} == {"1.1", "2"}
    shown = section(results)
    assert "OGLE variables" in shown.body
    assert shown.body.count("<img") >= 2


def test_the_command_writes_page_scores_and_json(tmp_path):
    out, scores = tmp_path / "real.html", tmp_path / "scores.json"
    arguments = [
        "report",
        "real",
        "--bundle",
        str(BUNDLE),
        "--out",
        str(out),
        "--scores",
        str(scores),
        "--json",
    ]
    done = CliRunner().invoke(cli, arguments, env={"LENSNET_REALDATA": str(small_folder(tmp_path))})
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["page"] == str(out)
    assert "cuts" not in told
    assert out.read_text("utf-8").startswith("<!doctype html>")
    assert json.loads(scores.read_text("utf-8"))["cuts"]


def test_the_command_says_what_is_wrong_and_writes_nothing(tmp_path):
    out = tmp_path / "real.html"
    arguments = ["report", "real", "--bundle", str(BUNDLE), "--out", str(out)]
    done = CliRunner().invoke(cli, [*arguments, "--real", str(tmp_path)])
    assert done.exit_code == 1
    assert "no folder of light curves: expected some of kmtnet" in done.output
    assert not out.exists()
    none = CliRunner().invoke(cli, arguments, env={"LENSNET_REALDATA": ""})
    assert none.exit_code == 2
    assert "--real" in none.output


def test_real_events_are_recognised(realdata, scorer):
    from model_build.real_curves.events import read_kmtnet

    stars = list(read_kmtnet(realdata / "kmtnet", CONFIG.fields))
    cuts = [cut for one in stars for cut in cut_star(one, CONFIG.detection) if cut.when == "k = 0"]
    found = score_cuts(cuts, scorer)
    assert [one.cut.flagged for one in found] == [True, True, True]
    assert all(one.score is not None for one in found)
