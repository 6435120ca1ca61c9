"""Self-contained HTML pages of figures and tables: one file, no external resource, light and dark."""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_DPI: Final = 144
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1a1c1f; --soft: #5c636b; --paper: #fdfdfc; --line: #dcdfe3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e7e9; --soft: #9aa2ab; --paper: #15171a; --line: #33383e; }
  figure img { filter: invert(1) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .25rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p { margin: .4rem 0; max-width: 46rem; }
p.lead, nav { color: var(--soft); }
nav a { color: inherit; margin-right: 1rem; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; }
div.table { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: normal; }
th { color: var(--soft); font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
"""


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a page: plain text in ``title`` and ``lead``, HTML made by this module in ``body``."""

    title: str
    lead: str
    body: str


def figure(fig: Figure, alt: str) -> str:
    """Return a figure as HTML with the image inside (PNG); ``alt`` tells what it shows, in plain text.

    The background is made transparent: dark ink on it is inverted where the reader prefers dark pages.
    """
    image = io.BytesIO()
    FigureCanvasAgg(fig)  # becomes the figure's canvas
    fig.savefig(image, format="png", dpi=_DPI, transparent=True, metadata={"Software": None})
    data = base64.b64encode(image.getvalue()).decode("ascii")
    return f'<figure><img src="data:image/png;base64,{data}" alt="{escape(alt)}" loading="lazy"></figure>\n'


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table as HTML, everything escaped.

    Whole numbers get thousands separators, others four significant digits; None and NaN become a dash.

    Raises
    ------
    ValueError
        If a row has more or fewer cells than there are columns.
    """
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise ValueError(
                f"row {number} has {len(row)} cells, expected {len(columns)}: {', '.join(columns)}"
            )
    numeric = [any(_is_number(row[i]) for row in rows) for i in range(len(columns))]
    head = _row("th", columns, numeric)
    body = "".join(_row("td", map(_text, row), numeric) for row in rows)
    return f'<div class="table"><table><thead>{head}</thead>\n<tbody>\n{body}</tbody></table></div>\n'


def paragraph(text: str) -> str:
    """Return plain text as a paragraph of HTML."""
    return f"<p>{escape(text)}</p>\n"


def heading(text: str) -> str:
    """Return plain text as a heading within a section."""
    return f"<h3>{escape(text)}</h3>\n"


def page(title: str, sections: Sequence[Section]) -> str:
    """Return one self-contained HTML document: inline style, embedded images, links within the page only."""
    links = "".join(
        f'<a href="#s{number}">{escape(section.title)}</a>\n' for number, section in enumerate(sections)
    )
    body = "".join(
        f'<section id="s{number}">\n<h2>{escape(section.title)}</h2>\n'
        f'<p class="lead">{escape(section.lead)}</p>\n{section.body}</section>\n'
        for number, section in enumerate(sections)
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<nav>{links}</nav>\n{body}</body>\n</html>\n"
    )


def write_page(path: Path, html: str) -> None:
    """Write a page whole or not at all; an older one is replaced.

    Raises
    ------
    OSError
        If it can't be written; the older one stays.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(html, "utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _row(tag: str, texts: Iterable[str], numeric: Sequence[bool]) -> str:
    cells = (
        f'<{tag} class="number">{escape(text)}</{tag}>' if is_number else f"<{tag}>{escape(text)}</{tag}>"
        for text, is_number in zip(texts, numeric, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>\n"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < math.inf else f"{value:.4g}"
    return str(value)
