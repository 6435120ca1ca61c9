"""Figures and tables show what they are given."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from model_build.season_report.archive import open_archive
from model_build.season_report.distributions import distribution_section, sanity_rows
from model_build.season_report.examples import choose, light_curves, pairs
from model_build.season_report.funnel import funnel_section
from model_build.season_report.label_section import label_section, review_section
from model_build.season_report.maps import detector_map, sky_map
from model_build.season_report.measures import Measures, read_measures
from model_build.season_report.report import origin_section
from stream_worker.preprocessing import SITES, fit_broken_line


def cells(html):
    """Rows of all tables as text."""
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]


def measures(rows, rise_days, observations):
    n = len(rows)
    chi2 = np.geomspace(100.0, 1e4, n)
    return Measures(tuple(rows), np.array(rise_days), chi2, np.array(observations), {}, None)


def test_the_funnel_beside_the_paper_s(record):
    found = {row[0]: row[1:] for row in cells(funnel_section(record).body)}
    assert found["flagged by AlertFinder"][:5] == ["3", "40", "4,030", "\N{EN DASH}", "300,000"]
    assert found["kept by automated vetting"] == ["2.5", "10", "1,025", "25.43", "30,000", "10"]
    assert found["stars"][4] == "5e8"
    assert found["too many flagged together"] == ["3,000", "74.44"]


def test_the_runs_of_an_archive_are_those_written_and_a_cut_one_is_told(record, make_row):
    rows = [make_row(n, run_id="2021-05-11") for n in range(3)]
    found = dict(cells(origin_section(replace(record, contents="stream"), rows).body)[1:])
    assert found["runs simulated"] == "2021-05-10 to 2021-05-11, 2 of them"
    assert found["runs in the archive"] == (
        "2021-05-11 to 2021-05-11, 1 of them, the last with 3 of its 12 candidates"
    )
    assert found["candidates in the archive"] == "3, as they come"


def test_labels_beside_the_paper_s(record, make_row):
    rows = [
        make_row(1), make_row(1, selected=False, candidate_id="again"), make_row(2, "bleed", "maybe"),
        make_row(3, "bleed", "no"), make_row(4, "flare", None),
    ]  # fmt: skip
    found = {row[0]: row[1:] for row in cells(label_section(record, rows).body)}
    assert found["Yes"] == ["20", "200", "10", "4,183", "2,158", "1,825"]
    assert found["No"] == ["50", "5,000", "10", "2,098", "2,065", "2,038"]
    assert found["kind"] == ["Yes", "Maybe", "No", "no label", "all"]
    assert found["bleed"] == ["0", "1", "1", "0", "2"]
    assert found["event"] == ["1", "0", "0", "0", "1"]


def test_errors_of_the_review_beside_their_targets(record):
    found = {row[0]: row[1:] for row in cells(review_section(record.reviews).body)}
    assert found["false pass"] == ["0.5", "at most 0.5%"]
    assert found["miss"] == ["10", "about 10%"]
    assert found["0 to 10"] == ["20"]
    assert found["10 and more"] == ["\N{EN DASH}"]
    assert found["mira"] == ["200", "1", "0.5"]


def test_ranges_by_hand(record, make_row):
    first = {"first_run_id": "2021-05-10", "t_E": 10.0, "u_0": 0.1}
    rows = [
        make_row(1, t_0=9354.75, **first),
        make_row(2, t_0=9334.75, **first),
        make_row(3, t_cut=9345.25, t_0=9000.0, t_E=1.0),
        make_row(4, "mira", "no", first_run_id="2021-05-10", t_cut=9345.25),
    ]
    found = sanity_rows(
        record, measures(rows, [5.0, 7.0, 90.0, 90.0], [[1, 1, 1], [1, 0, 0], [7, 0, 9], [8, 0, 0]])
    )
    values = {str(row[0]): (row[1], row[3]) for row in found}
    title = "first runs of events: t_cut - t_break, d, quantiles 5/25/50/75/95 %"
    assert values[title] == ("5.1/5.5/6/6.5/6.9", 2)
    assert values["first runs of events before the peak"] == ("50 %", 2)
    assert values["first runs of events: (t_cut - t_0) / t_E, median"] == ("0", 2)
    assert values["observations at a site in mid-season, quantiles 5/50/95 %"] == ("7.1/8/8.9", 3)
    assert values["candidates seen by 2 of 3 sites"] == ("25 %", 4)


def test_nothing_to_show_is_shown_as_such(record, make_row):
    rows = [make_row(1, "mira", None, selected=False)]
    section = distribution_section(record, measures(rows, [5.0], [[10, 0, 0]]))
    assert "data:image/png" in section.body
    found = {row[0]: row[1:] for row in cells(section.body)}
    assert found["first runs of events before the peak"] == ["\N{EN DASH}", "82 %", "0"]


def test_maps_have_every_star_where_it_is(record, make_row):
    rng = np.random.default_rng(1)
    stars = [
        make_row(
            i,
            kind,
            label,
            ra=rng.uniform(262.0, 272.0),
            dec=rng.uniform(-36.0, -22.0),
            x=rng.uniform(0, 9000),
        )
        for i, (kind, label) in enumerate(
            [("event", "yes"), ("bleed", "no"), ("bleed", "maybe"), ("bleed", "no")]
        )
    ]
    sky = sky_map(record.config.fields, stars)
    outlines = 4 * len(record.config.fields)
    for ax, label in zip(sky.axes, ("yes", "maybe", "no"), strict=True):
        assert len(ax.lines) == outlines + 1
        assert ax.lines[-1].get_xydata().tolist() == [[s.ra, s.dec] for s in stars if s.label == label]
    west, east = sky.axes[0].get_xlim()
    assert west > east
    chip = detector_map(stars)
    assert [ax.get_title(loc="left") for ax in chip.axes[:3]] == ["bleed: 3", "event: 1", ""]
    drawn = np.concatenate([line.get_xydata() for line in chip.axes[0].lines])
    assert sorted(drawn.tolist()) == sorted([s.x, s.y] for s in stars if s.kind == "bleed")


def test_examples_are_the_same_whatever_the_order_and_every_class_has_its_turn(make_row):
    rows = [make_row(i, "bleed", "no") for i in range(5)] + [
        make_row(9, "mira", "no"),
        make_row(10, "cv", "no"),
    ]
    rows += [make_row(20), make_row(30, "bleed", "maybe"), make_row(40, "flare", "maybe", selected=False)]
    assert [(row.label, row.kind) for row in pairs(rows)] == [
        ("yes", "event"), ("maybe", "bleed"), ("no", "bleed"), ("no", "cv"), ("no", "mira"),
    ]  # fmt: skip
    assert choose(rows) == choose(rows[::-1]) == pairs(rows)
    assert [row.candidate_id for row in choose(rows, 4)] == ["c0020", "c0030", "c0000", "c0010"]
    assert [row.label for row in choose(rows, 3)] == ["yes", "maybe", "no"]


def test_an_example_shows_its_sites_and_their_broken_lines(season, silent):
    archive = open_archive(season)
    chosen = choose(archive.rows.values())
    found = read_measures(archive, {row.candidate_id for row in chosen}, with_features=False, progress=silent)
    assert set(found.shown) == {row.candidate_id for row in chosen}
    candidate = found.shown[chosen[0].candidate_id]
    detection = candidate.alertfinder
    fig = light_curves(candidate)
    for ax, site in zip(fig.axes, SITES, strict=True):
        curves = [curve for curve in candidate.light_curves if curve.site == site]
        assert ax.lines[0].get_xdata() == [detection.t_break] * 2
        assert ("triggered" in ax.get_title(loc="left")) == (site == detection.site)
        if len(curves) == 1:
            (curve,) = curves
            good = (curve.flux_err > 0) & (curve.fwhm > 0) & np.isfinite(curve.psf_quality)
            line = fit_broken_line(curve.hjd[good], curve.flux[good], curve.flux_err[good])
            x, y = ax.lines[-2].get_data()
            assert x[1] == pytest.approx(line.t_break, abs=1.0)
            assert (y[2] - y[1]) == pytest.approx(line.slope * (x[2] - x[1]), rel=0.05)
            assert y[0] == y[1]


def test_measures_are_those_of_the_packets(season, silent):
    archive = open_archive(season)
    found = read_measures(archive, (), with_features=True, progress=silent)
    candidates = [candidate for _, candidate in archive.candidates()]
    for i, candidate in enumerate(candidates):
        assert found.rows[i].candidate_id == candidate.candidate_id
        assert found.rise_days[i] == candidate.alertfinder.t_cut - candidate.alertfinder.t_break
        assert found.observations[i].sum() == sum(curve.hjd.size for curve in candidate.light_curves)
    assert found.shown == {}
    labelled = [row for row in found.rows if row.selected]
    assert [row.candidate_id for row in found.features.rows] == [row.candidate_id for row in labelled]
    assert all(row.review_score is not None for row in found.features.rows)
    reviewed = [
        (a, b) for a, b in zip(found.features.rows, labelled, strict=True) if b.review_score is not None
    ]
    assert reviewed
    assert all(a == b for a, b in reviewed)
