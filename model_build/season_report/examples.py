"""Light curves of examples, as a reviewer would see them (after Viaña et al. 2025, fig. 4 and 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model_build.progress import Progress
from model_build.season.truth import TruthRow
from model_build.season_report.look import LABELS, SITE_COLOURS, name, panels, point_size
from stream_worker.candidate import Candidate
from stream_worker.preprocessing import SITES, PreprocessingOptions, clean, fit_broken_line
from stream_worker.preprocessing.light_curve import Float64Array
from stream_worker.report_page import Section, figure, heading, paragraph

AT_MOST: Final = 36
_ANY: Final = PreprocessingOptions(min_points=1, max_points=2**31)
_LEAST: Final = 3
"""Observations a line is fitted to."""
_ENDS: Final = (1.0, 99.0)


def pairs(rows: Iterable[TruthRow]) -> tuple[TruthRow, ...]:
    """Return one labelled candidate of each class and hidden kind, by class, the most frequent kinds first.

    Of equals the first by ``candidate_id``, which follows neither brightness nor place.
    """
    labelled = [row for row in rows if row.selected and row.label is not None]
    count = Counter((str(row.label), row.kind) for row in labelled)
    first: dict[tuple[str, str], TruthRow] = {}
    for row in sorted(labelled, key=lambda row: row.candidate_id):
        first.setdefault((str(row.label), row.kind), row)
    order = sorted(count, key=lambda key: (LABELS.index(key[0]), -count[key], key[1]))
    return tuple(first[key] for key in order)


def choose(rows: Iterable[TruthRow], at_most: int = AT_MOST) -> tuple[TruthRow, ...]:
    """Return at most so many of `pairs`, in their order, every class in turn giving its next kind."""
    all_pairs = pairs(rows)
    rank: Counter[str | None] = Counter()
    turns: list[tuple[int, int]] = []
    for place, row in enumerate(all_pairs):
        turns.append((rank[row.label], place))
        rank[row.label] += 1
    return tuple(all_pairs[place] for place in sorted(place for _, place in sorted(turns)[:at_most]))


def example_section(
    chosen: Sequence[TruthRow], candidates: Mapping[str, Candidate], of: int, progress: Progress
) -> Section:
    """One figure for each example chosen ``of`` so many pairs of class and kind."""
    lead = (
        "One candidate of each class and hidden kind at the date of its label: flux at the three sites less "
        "that before t_break, the fitted broken line of each site in black, t_break of the alert dashed, "
        "t_cut solid. The site that triggered is marked, the number of observations given. Flux axes differ."
    )
    body = "" if of <= len(chosen) else paragraph(f"{len(chosen)} of {of} pairs of class and kind are shown.")
    for done, row in enumerate(chosen, 1):
        candidate = candidates[row.candidate_id]
        body += heading(f"{str(row.label).capitalize()}, {row.kind}") + paragraph(_caption(row, candidate))
        body += figure(light_curves(candidate), f"Light curves of {row.star_id} at three sites up to t_cut")
        progress("examples drawn", done, len(chosen))
    return Section("Examples", lead, body)


def light_curves(candidate: Candidate) -> Figure:
    """Flux at the three sites, fields merged as for the network, with the broken line fitted to each."""
    found = candidate.alertfinder
    cleaned = clean(candidate.light_curves, t_cut=found.t_cut, t_break=found.t_break, options=_ANY)
    fig, axes = panels(1, len(SITES), 2.3)
    for index, (ax, site) in enumerate(zip(axes, SITES, strict=True)):
        columns = cleaned.series.site(index)[:3]
        t, flux, error = columns[:, np.isfinite(columns).all(axis=0) & (columns[2] > 0.0)]
        _draw(ax, t, flux, error, t_break=found.t_break, colour=SITE_COLOURS[site])
        ax.axvline(found.t_cut, color="black", lw=0.8)
        triggered = " (triggered)" if site == found.site else ""
        name(ax, x="HJD - 2450000", y="flux" if index == 0 else "", title=f"{site}{triggered}: {t.size} obs.")
        ax.locator_params(axis="x", nbins=4)
    first = min((c.hjd.min() for c in candidate.light_curves if c.hjd.size), default=found.t_break)
    for ax in axes:
        ax.set_xlim(first - 2.0, found.t_cut + 4.0)
    return fig


def _draw(
    ax: Axes, t: Float64Array, flux: Float64Array, error: Float64Array, *, t_break: float, colour: str
) -> None:
    ax.axvline(t_break, color="black", lw=0.8, ls="--")
    if not t.size:
        ax.set_yticks([])
        return
    before = t < t_break
    zero = float(np.median(flux[before] if before.any() else flux))
    ax.errorbar(
        t, flux - zero, error, fmt=".", ms=point_size(t.size), mew=0, elinewidth=0.4, color=colour, alpha=0.7
    )
    if t.size < _LEAST:
        return
    line = fit_broken_line(t, flux, error)
    ends = np.array([t[0], line.t_break, t[-1]])
    drawn = line.a0 - zero + line.slope * np.maximum(ends - line.t_break, 0.0)
    ax.plot(ends, drawn, color="black", lw=1.3)
    low, high = np.percentile(flux - zero, _ENDS)
    low, high = min(low, drawn.min()), max(high, drawn.max())
    margin = 0.15 * (high - low) + float(np.median(error))
    ax.set_ylim(low - margin, high + margin)


def _caption(row: TruthRow, candidate: Candidate) -> str:
    found = candidate.alertfinder
    rise = f"t_cut - t_break = {found.t_cut - found.t_break:.1f} d"
    parts = [
        f"{row.star_id}, run {row.run_id}, I = {row.i_base:.1f}",
        f"{found.site}: delta chi-square {found.delta_chi2:,.0f}, {rise}",
    ]
    if row.t_0 is not None and row.t_E is not None and row.u_0 is not None:
        parts.append(f"t_0 = {row.t_0:.1f}, t_E = {row.t_E:.1f} d, u_0 = {row.u_0:.2f}")
    return "; ".join(parts)
