"""Pages that need nothing but themselves."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.image import imread

from stream_worker.report_page import Section, figure, heading, page, paragraph, table

VOID = {"meta", "img"}


class Outline(HTMLParser):
    """Tags, attributes and text; fails where tags are not nested."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def drawn():
    fig = Figure(figsize=(4.0, 2.0))
    fig.subplots().plot([0, 1], [0, 1])
    return fig


def test_a_figure_holds_its_image_on_a_transparent_ground():
    outline = Outline(figure(drawn(), 'rise & "fall" <2>'))
    ((tag, attributes),) = [found for found in outline.tags if found[0] == "img"]
    assert tag == "img"
    assert attributes["alt"] == 'rise & "fall" <2>'
    kind, data = attributes["src"].split(",")
    assert kind == "data:image/png;base64"
    pixels = imread(io.BytesIO(base64.b64decode(data)))
    assert pixels.shape[:2] == (288, 576)
    assert pixels[0, 0, 3] == 0.0
    assert pixels[..., 3].max() == 1.0


def test_equal_figures_give_equal_bytes():
    assert figure(drawn(), "a") == figure(drawn(), "a")


def test_numbers_read_well_and_stand_to_the_right():
    html = table(["what", "n"], [["a", 12345], ["b", 0.123456], ["c", None], ["d", float("nan")], ["e", 1e6]])
    outline = Outline(html)
    assert [text for text in outline.text if text.strip()] == [
        "what", "n", "a", "12,345", "b", "0.1235", "c", "\N{EN DASH}", "d", "\N{EN DASH}", "e", "1,000,000",
    ]  # fmt: skip
    assert [attributes.get("class") for tag, attributes in outline.tags if tag == "td"] == [
        None,
        "number",
    ] * 5


def test_truth_values_are_words():
    assert "<td>yes</td><td>no</td>" in table(["a", "b"], [[True, False]])


def test_a_row_of_the_wrong_length_is_named():
    with pytest.raises(ValueError, match="row 1 has 1 cells, expected 2: a, b"):
        table(["a", "b"], [[1, 2], [1]])


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_whatever_is_written_stays_text(text):
    html = page(text, [Section(text, text, table([text], [[text]]) + heading(text) + paragraph(text))])
    outline = Outline(html)
    assert "".join(outline.text).count(text) >= 7
    assert {tag for tag, _ in outline.tags} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "nav", "a", "section", "p",
        "div", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip


def test_a_page_loads_nothing_and_its_links_stay_inside():
    html = page("t", [Section("one", "first", figure(drawn(), "a")), Section("two", "second", "")])
    tags = Outline(html).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert [attributes["href"] for _, attributes in tags if "href" in attributes] == [
        f"#{name}" for name in ids
    ]
    assert all(a["src"].startswith("data:") for _, a in tags if "src" in a)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in tags}
    assert not re.search(r"https?://|@import|url\(", html)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in tags
    assert "prefers-color-scheme: dark" in html
