from __future__ import annotations

import json
import re
import shutil

import pytest
from click.testing import CliRunner

from model_build.season_report.cli import season as command


def invoke(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(season, tmp_path_factory):
    """The page of the small season and what the command said."""
    page = tmp_path_factory.mktemp("page") / "season.html"
    return page, invoke(season, "--out", page, "--json")


def sections(html):
    """Sections of a page by title."""
    parts = re.findall(r"<section.*?<h2>(.*?)</h2>(.*?)</section>", html, re.DOTALL)
    return dict(parts)


def test_the_page_has_every_section_and_needs_nothing_else(made):
    page, result = made
    assert result.exit_code == 0, result.output
    html = page.read_text("utf-8")
    assert list(sections(html)) == [
        "This season", "The funnel", "Labels", "The light-curve review", "Simple classifiers",
        "Distributions", "Maps", "Examples",
    ]  # fmt: skip
    assert not re.search(r"https?://|<script|<link|@import", html)
    assert html.count("<img ") == html.count('src="data:image/png;base64,') >= 6


def test_one_line_of_json_with_the_numbers(made, season):
    page, result = made
    (line,) = result.stdout.splitlines()
    numbers = json.loads(line)
    assert numbers["page"] == str(page)
    assert numbers["candidates"] > 0
    assert numbers["funnel"]["per_day"]["flagged"] > numbers["funnel"]["per_day"]["alerted"] >= 0
    summary = json.loads((season / "season.json").read_text())
    assert numbers["labels"] == summary["labels"]
    assert {kind["kind"] for kind in numbers["reviews"]["by_kind"]} >= {"event"}
    assert "fault" in numbers["classifiers"]
    assert f"packets read: {numbers['candidates']} of {numbers['candidates']}" in result.stderr


def test_without_classifiers_all_else_is_the_same(archive, made):
    result = invoke(archive, "--no-classifiers")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{archive / 'report.html'}: ")
    with_them = sections(made[0].read_text("utf-8"))
    assert with_them.pop("Simple classifiers")
    assert sections((archive / "report.html").read_text("utf-8")) == with_them
    assert not list(archive.glob(".*.part"))


def test_a_failure_leaves_the_last_good_page(archive, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("good")
    runs = sorted(archive.glob("run-*.avro"))
    runs[-1].write_bytes(runs[-1].read_bytes()[:-50])
    result = invoke(archive, "--out", page)
    assert result.exit_code == 1
    assert runs[-1].name in result.stderr
    assert page.read_text() == "good"
    assert list(tmp_path.glob("*.html")) == [page]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (shutil.rmtree, "no such folder"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], "no archive of a season"),
        (lambda folder: (folder / "season.json").unlink(), "season.json missing"),
        (
            lambda folder: (folder / "season.json").write_text('{"season_version": 7}'),
            "season_version 7, expected 1",
        ),
    ],
)
def test_what_is_no_archive_is_refused_in_a_line(archive, spoil, said):
    spoil(archive)
    result = invoke(archive, "--out", archive.parent / "page.html")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert said in result.stderr
    assert not (archive.parent / "page.html").exists()


def test_a_page_that_cannot_be_written_is_told_at_once(archive, tmp_path):
    result = invoke(archive, "--out", tmp_path / "nowhere" / "page.html")
    assert result.exit_code == 1
    assert f"{tmp_path / 'nowhere'}: no such folder" in result.stderr
    assert "packets read" not in result.stderr
