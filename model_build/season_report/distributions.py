"""Distributions of what a candidate looks like, by class, and the ranges they should lie in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model_build.season.review import EVENT
from model_build.season_report.look import CLASS_COLOURS, LABELS, legend, name, panels
from model_build.season_report.measures import Measures
from model_build.season_report.record import SeasonRecord
from stream_worker.preprocessing import SITES
from stream_worker.preprocessing.light_curve import BoolArray, Float64Array
from stream_worker.report_page import Section, figure, heading, paragraph, table

_FIVE: Final = (5, 25, 50, 75, 95)
_BINS: Final = 30
_ENDS: Final = (0.5, 99.5)
"""Percentiles between which histograms are drawn."""


def distribution_section(record: SeasonRecord, measures: Measures) -> Section:
    """Histograms by class, and a table of ranges."""
    lead = (
        "Histograms of the labelled candidates, each at the date that carries its label, normalised by "
        "class. The ranges are those of a prototype, not published ones: a check of sanity, not of truth."
    )
    alt = (
        "Histograms by class: length of the rise, observations at each site, delta chi-square, neighbours, "
        "sites, magnitude"
    )
    body = (
        figure(_histograms(measures), alt)
        + heading("Ranges to be expected")
        + table(["", "here", "expected", "of"], sanity_rows(record, measures))
        + paragraph(
            "First runs of events are those of the archive's stars only. Mid-season is the middle third of "
            "the time between the first run and the last."
        )
    )
    return Section("Distributions", lead, body)


def sanity_rows(record: SeasonRecord, measures: Measures) -> list[list[object]]:
    """Return rows of quantity, value here, expected value, number of values behind it."""
    rows = measures.rows
    first = np.array([row.kind == EVENT and row.run_id == row.first_run_id for row in rows])
    phase = np.array(
        [np.nan if row.t_0 is None or row.t_E is None else (row.t_cut - row.t_0) / row.t_E for row in rows]
    )
    times = [run.t_cut for run in record.runs]
    third = (max(times) - min(times)) / 3.0
    t_cut = np.array([row.t_cut for row in rows])
    middle = (t_cut >= min(times) + third) & (t_cut <= max(times) - third)
    counts = measures.observations[middle].astype(np.float64)
    counts = counts[counts > 0]
    sites = np.sum(measures.observations > 0, axis=1)
    first_phase = phase[first & np.isfinite(phase)]
    return [
        _quantile_row(
            "first runs of events: t_cut - t_break, d", measures.rise_days[first], _FIVE, "5/13/24/35/58"
        ),
        ["first runs of events before the peak", _share(first_phase < 0), "82 %", first_phase.size],
        _quantile_row("first runs of events: (t_cut - t_0) / t_E", first_phase, (50,), "-0.38"),
        _quantile_row("observations at a site in mid-season", counts, (5, 50, 95), "130/419/916"),
        *(
            [f"candidates seen by {n} of {len(SITES)} sites", _share(sites == n), expected, sites.size]
            for n, expected in ((3, "about 85 %"), (2, "12 %"), (1, "3 %"))
        ),
    ]


def _quantile_row(
    title: str, values: Float64Array, percentiles: Sequence[int], expected: str
) -> list[object]:
    names = f"{'/'.join(map(str, percentiles))} %"
    text = "/".join(map(_number, np.percentile(values, percentiles))) if values.size else None
    return [
        f"{title}, quantiles {names}" if len(percentiles) > 1 else f"{title}, median",
        text,
        expected,
        values.size,
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _share(hits: BoolArray) -> str | None:
    return f"{np.mean(hits):.0%}".replace("%", " %") if hits.size else None


def _histograms(measures: Measures) -> Figure:
    fig, axes = panels(3, 2, 8.0)
    selected = [row.selected for row in measures.rows]
    label = np.array(
        [row.label if chosen else "" for row, chosen in zip(measures.rows, selected, strict=True)]
    )
    neighbours = np.array([row.neighbours for row in measures.rows], dtype=np.float64)
    magnitude = np.array([row.i_base for row in measures.rows])
    sites = np.sum(measures.observations > 0, axis=1).astype(np.float64)
    log_chi2 = np.log10(np.maximum(measures.delta_chi2, 1.0))
    per_site = measures.observations.astype(np.float64)
    quantities = (
        ("t_cut - t_break, days", measures.rise_days, _equal),
        ("observations at a site that has any", np.where(per_site > 0, per_site, np.nan), _equal),
        ("log10 of delta chi-square", log_chi2, _equal),
        ("others flagged within 20 arcsec", neighbours, _whole),
        ("sites with observations", sites, _numbers_of_sites),
        ("baseline magnitude, I", magnitude, _equal),
    )
    for ax, (title, values, edges_of) in zip(axes, quantities, strict=True):
        labelled = values[label != ""]
        edges = edges_of(labelled[np.isfinite(labelled)])
        for one in LABELS:
            its = values[label == one].ravel()
            its = np.clip(its[np.isfinite(its)], edges[0], edges[-1])
            if its.size:
                share = np.histogram(its, edges)[0] / its.size
                ax.stairs(share, edges, color=CLASS_COLOURS[one], lw=1.4, label=one.capitalize())
        name(ax, x=title, y="share")
        if edges_of is not _equal:
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(fig, axes[0], len(LABELS))
    return fig


def _equal(values: Float64Array) -> Float64Array:
    """Edges of equal bins; the few values beyond are counted in the outermost."""
    low, high = np.percentile(values, _ENDS) if values.size else (0.0, 1.0)
    return np.linspace(low, high if high > low else low + 1.0, _BINS + 1)


def _numbers_of_sites(_: Float64Array) -> Float64Array:
    """Edges of bins about 1 and the other possible numbers of sites."""
    return np.arange(len(SITES) + 1, dtype=np.float64) + 0.5


def _whole(values: Float64Array) -> Float64Array:
    """Edges of bins about whole numbers, several in one where there are many."""
    low, high = np.percentile(values, _ENDS).round() if values.size else (0.0, 1.0)
    width = np.ceil((high - low + 1.0) / _BINS)
    return np.arange(low - 0.5, high + 0.5 + width, width)
